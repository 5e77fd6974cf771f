import type Stripe from "stripe";
import type { CatalogRows, PriceRow, ProductRow } from "./catalog.ts";
import { worldCurrencies } from "./money.ts";
import { ask, connectStripe, type StripeOptions } from "./stripe-client.ts";

/** What was done at Stripe, or would be. */
export type StripeChange = {
  action: "create" | "update" | "restore" | "archive";
  what: "product" | "price";
  /** Our key, and Stripe's id where it has one already. */
  product: string;
  ref?: string;
  price?: Pick<PriceRow, "currency" | "interval" | "amount">;
};

type Leftover = { what: "product" | "price"; product: string; ref: string };

type Work = {
  client: Stripe;
  catalog: string;
  isDry: boolean;
  changes: StripeChange[];
  leftovers: Leftover[];
};

/** More than any catalog has; an account with more products is not read to its end. */
const mostProducts = 5_000;
/** Prices API, lookup_keys: at most ten a request. */
const keysAtOnce = 10;

/**
 * Makes Stripe have the products and prices of a catalog that it may sell, and returns the catalog
 * with Stripe's own rows beside the general ones. Found again by metadata and lookup_key, so that
 * the same again changes nothing, also after a lost answer. A changed amount is a new price, which
 * takes the lookup_key over; running subscriptions keep the old one. A price with a `ref` of the
 * file's own is left to its owner. With `dryRun` nothing is written, and what would be created has
 * no row yet. Call `archive` once the rows are stored: it takes off sale what nobody asks for then.
 * Errors: provider_unavailable (safe to run again), invalid_state (Stripe refused).
 */
export async function pushStripeCatalog(
  options: Omit<StripeOptions, "webhookSecrets">,
  rows: CatalogRows,
  { dryRun = false }: { dryRun?: boolean } = {},
): Promise<{ rows: CatalogRows; changes: StripeChange[]; archive(): Promise<void> }> {
  const client = connectStripe({ ...options, webhookSecrets: [] });
  const { catalog } = rows;
  const work: Work = { client, catalog, isDry: dryRun, changes: [], leftovers: [] };
  const found = await findProducts(work);
  const products: ProductRow[] = [];
  for (const product of rows.products) {
    const wanted = choosePrices(product);
    const task = { product, wanted, found: found.get(product.key) };
    products.push(wanted.length === 0 ? product : await pushProduct(work, task));
    const isSold = wanted.length > 0 || product.prices.some((one) => one.provider === "stripe");
    if (isSold) found.delete(product.key);
  }
  for (const [key, { id, active }] of found) {
    if (active) work.leftovers.push({ what: "product", product: key, ref: id });
  }
  const { leftovers, changes } = work;
  for (const leftover of leftovers) changes.push({ action: "archive", ...leftover });
  const archive = () => (dryRun ? Promise.resolve() : archiveAll(client, leftovers));
  return { rows: { ...rows, products }, changes, archive };
}

/** Stripe's own prices that have no reference yet, and general ones without one of Stripe's. */
function choosePrices({ prices }: ProductRow): PriceRow[] {
  const own = prices.filter(({ provider }) => provider === "stripe");
  const isOwn = (price: PriceRow) =>
    own.some((one) => one.currency === price.currency && one.interval === price.interval);
  return prices.filter((price) => {
    if (!worldCurrencies.includes(price.currency)) return false;
    if (price.provider === "stripe") return price.provider_ref === null;
    return price.provider === null && !isOwn(price);
  });
}

async function findProducts({ client, catalog }: Work): Promise<Map<string, Stripe.Product>> {
  return ask(async () => {
    const found = new Map<string, Stripe.Product>();
    let read = 0;
    for await (const product of client.products.list({ limit: 100 })) {
      const { ducat_catalog, ducat_product } = product.metadata;
      if (ducat_catalog === catalog && ducat_product) {
        // Of two, one that is on sale: an archived one may be a leftover.
        if (product.active || !found.has(ducat_product)) found.set(ducat_product, product);
      }
      read += 1;
      if (read >= mostProducts) break;
    }
    return found;
  });
}

type Task = { product: ProductRow; wanted: PriceRow[]; found: Stripe.Product | undefined };

async function pushProduct(work: Work, task: Task): Promise<ProductRow> {
  const { product, wanted } = task;
  const productRef = await keepProduct(work, task);
  const found = productRef === undefined ? [] : await findPrices(work, product, wanted);
  const rows: PriceRow[] = [];
  for (const price of wanted) {
    const match = found.find((one) => isSame(one, price, productRef));
    const ref = await keepPrice(work, { product, price, match, productRef });
    if (ref !== undefined) rows.push({ ...price, provider: "stripe", provider_ref: ref });
  }
  if (productRef !== undefined) await findOthers(work, { product, productRef, rows });
  const kept = product.prices.filter(
    (price) => !rows.some((row) => row.provider === price.provider && isSlot(row, price)),
  );
  return { ...product, prices: [...kept, ...rows] };
}

const isSlot = (one: PriceRow, other: PriceRow) =>
  one.currency === other.currency && one.interval === other.interval;

async function keepProduct(work: Work, { product, found }: Task): Promise<string | undefined> {
  const { client, catalog, isDry, changes } = work;
  const about = { what: "product" as const, product: product.key };
  const name = product.name.en ?? product.key;
  const description = product.description.en ?? name;
  if (!found) {
    changes.push({ action: "create", ...about });
    if (isDry) return undefined;
    const metadata = { ducat_catalog: catalog, ducat_product: product.key };
    const made = await ask(() => client.products.create({ name, description, metadata }));
    return made.id;
  }
  const { id, active } = found;
  if (active && found.name === name && found.description === description) return id;
  changes.push({ action: active ? "update" : "restore", ...about, ref: id });
  if (!isDry) {
    await ask(() => client.products.update(id, { name, description, active: true }));
  }
  return id;
}

const nameKey = ({ catalog }: Work, { key }: ProductRow, { currency, interval }: PriceRow) =>
  `ducat:${catalog}:${key}:${currency.toLowerCase()}:${interval}`;

async function findPrices(
  work: Work,
  product: ProductRow,
  wanted: PriceRow[],
): Promise<Stripe.Price[]> {
  const keys = wanted.map((price) => nameKey(work, product, price));
  const found: Stripe.Price[] = [];
  for (let from = 0; from < keys.length; from += keysAtOnce) {
    const lookup_keys = keys.slice(from, from + keysAtOnce);
    const page = await ask(() => work.client.prices.list({ lookup_keys, limit: 100 }));
    found.push(...page.data);
  }
  return found;
}

function isSame(price: Stripe.Price, wanted: PriceRow, productRef: string | undefined): boolean {
  const interval = price.recurring?.interval ?? "once";
  return (
    price.product === productRef &&
    price.unit_amount === wanted.amount &&
    price.currency === wanted.currency.toLowerCase() &&
    interval === wanted.interval &&
    (price.recurring?.interval_count ?? 1) === 1
  );
}

type PriceTask = {
  product: ProductRow;
  price: PriceRow;
  match: Stripe.Price | undefined;
  productRef: string | undefined;
};

/** Without our key on the request: the lookup_key is what finds a price whose answer was lost. */
async function keepPrice(work: Work, task: PriceTask): Promise<string | undefined> {
  const { product, price, match, productRef } = task;
  const { client, catalog, isDry, changes } = work;
  if (match?.active) return match.id;
  const { currency, interval, amount } = price;
  const about = { what: "price" as const, product: product.key };
  const slot = { price: { currency, interval, amount } };
  if (match) {
    changes.push({ action: "restore", ...about, ref: match.id, ...slot });
    if (!isDry) await ask(() => client.prices.update(match.id, { active: true }));
    return match.id;
  }
  changes.push({ action: "create", ...about, ...slot });
  if (isDry || productRef === undefined) return undefined;
  const made = await ask(() =>
    client.prices.create({
      product: productRef,
      currency: currency.toLowerCase(),
      unit_amount: amount,
      lookup_key: nameKey(work, product, price),
      transfer_lookup_key: true,
      metadata: { ducat_catalog: catalog, ducat_product: product.key },
      ...(interval !== "once" && { recurring: { interval } }),
    }),
  );
  return made.id;
}

/** Prices that we made for this product before and that the catalog doesn't name any more. */
async function findOthers(
  work: Work,
  { product, productRef, rows }: { product: ProductRow; productRef: string; rows: PriceRow[] },
): Promise<void> {
  const others = await ask(async () => {
    const found: Stripe.Price[] = [];
    const list = work.client.prices.list({ product: productRef, active: true, limit: 100 });
    for await (const price of list) found.push(price);
    return found;
  });
  for (const { id, metadata } of others) {
    const isOurs = metadata.ducat_catalog === work.catalog;
    if (!isOurs || rows.some((row) => row.provider_ref === id)) continue;
    work.leftovers.push({ what: "price", product: product.key, ref: id });
  }
}

async function archiveAll(client: Stripe, leftovers: Leftover[]): Promise<void> {
  for (const { what, ref } of leftovers) {
    await ask<unknown>(() =>
      what === "product"
        ? client.products.update(ref, { active: false })
        : client.prices.update(ref, { active: false }),
    );
  }
}
