import type { PriceRow, ProductRow } from "@ducat/db/products";
import { canSell } from "@ducat/payments/choose-offer";
import type { Providers } from "@ducat/payments/providers";
import type { AdminProduct, Price, Product } from "@ducat/types/products";
import { pickText } from "./choose-language.ts";
import { toTime } from "./show-generation.ts";
import { displayPrice } from "./show-price.ts";

type Shop = { products: ProductRow[]; providers: Providers; language: string };

/** What an account may buy, in its language, and who sells it. */
export function showProducts(shop: Shop): Product[] {
  return shop.products.map((row) => ({
    ...showAbout(row),
    name: pickText(row.name, shop.language),
    description: pickText(row.description, shop.language),
    features: showFeatures(row.features, (name) => pickText(name, shop.language)),
    prices: groupPrices(row).map((rows) => showPrice(shop, row, rows)),
  })) as Product[];
}

export function showAdminProduct(row: ProductRow): AdminProduct {
  return {
    ...showAbout(row),
    name: row.name,
    description: row.description,
    features: showFeatures(row.features, (name) => name),
    is_active: row.is_active,
    prices: row.prices.map(({ amount, currency, created_at, ...price }) => ({
      ...price,
      price: { amount, currency },
      created_at: toTime(created_at),
    })),
    created_at: toTime(row.created_at),
    updated_at: toTime(row.updated_at),
  } as AdminProduct;
}

function showAbout(row: ProductRow) {
  const { name: _, description: _d, features: _f, prices: _p, ...about } = row;
  const { is_active: _a, created_at: _c, updated_at: _u, ...shown } = about;
  return shown;
}

const showFeatures = <T>(
  features: ProductRow["features"],
  show: (name: Record<string, string>) => T,
) =>
  Object.fromEntries(
    Object.entries(features)
      .sort(([, one], [, other]) => one.position - other.position)
      .map(([key, { name, position: _, ...rest }]) => [key, { ...rest, name: show(name) }]),
  );

/** Rows that say the same amount are one price: the general one and what providers call it. */
function groupPrices({ prices }: ProductRow): [PriceRow, ...PriceRow[]][] {
  const groups = new Map<string, [PriceRow, ...PriceRow[]]>();
  for (const price of prices) {
    const group = groups.get(nameOf(price));
    if (group) group.push(price);
    else groups.set(nameOf(price), [price]);
  }
  return [...groups.values()];
}

const nameOf = ({ currency, interval, amount }: PriceRow) => `${currency} ${interval} ${amount}`;

function showPrice(shop: Shop, product: ProductRow, rows: [PriceRow, ...PriceRow[]]): Price {
  const [{ id, interval, amount, currency }] = rows;
  const sellers = [...shop.providers.values()].filter((provider) =>
    rows.some((row) => canSell(provider, toOffer(product, row))),
  );
  return {
    id,
    interval,
    price: { amount, currency },
    providers: sellers.map(({ name }) => name),
    display: displayPrice({
      ...{ amount, currency, interval, language: shop.language },
      credits: product.credits + product.bonus,
      compared: findCompared(shop, product, rows[0]),
    }),
  };
}

const toOffer = (product: ProductRow, { id, ...price }: PriceRow) => ({
  ...price,
  price_id: id,
  product_id: product.id,
  product: product.key,
  kind: product.kind,
  name: product.name,
  credits: product.credits + product.bonus,
  trial_days: product.trial_days,
  needs_subject: product.needs_subject,
});

/** What the same would cost by the month, or credit by credit of the dearest pack. */
function findCompared(shop: Shop, product: ProductRow, price: PriceRow): number | undefined {
  const isSame = (other: PriceRow) => other.currency === price.currency;
  if (price.interval === "year") {
    const months = product.prices.filter((one) => one.interval === "month" && isSame(one));
    return months.length > 0 ? 12 * Math.max(...months.map(({ amount }) => amount)) : undefined;
  }
  const credits = product.credits + product.bonus;
  if (product.kind !== "pack" || credits === 0) return undefined;
  const units = shop.products
    .filter((other) => other.kind === "pack" && other.credits + other.bonus > 0)
    .flatMap((other) =>
      other.prices.filter(isSame).map(({ amount }) => amount / (other.credits + other.bonus)),
    );
  return credits * Math.max(...units);
}
