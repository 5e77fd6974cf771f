import { afterEach, beforeEach, expect, it } from "vitest";
import { type StripeServer, startStripe, stripeKey } from "../test/stripe-server.ts";
import { type CatalogRows, parseCatalog, toRows } from "./catalog.ts";
import { pushStripeCatalog, type StripeChange } from "./stripe-catalog.ts";

let server: StripeServer;
beforeEach(async () => {
  server = await startStripe(() => Date.parse("2026-11-20T12:00:00Z"));
});
afterEach(() => server.close());

const texts = { name: { en: "Pro" }, description: { en: "More of it." } };
const month = { currency: "USD", interval: "month", amount: 900 };
const year = { currency: "USD", interval: "year", amount: 9000 };
const rial = { currency: "IRR", interval: "month", amount: 50_000 };
const free = { key: "free", kind: "plan", ...texts, is_default: true };
const pro = { key: "pro", kind: "plan", ...texts, prices: [month, year, rial] };
const pack = { key: "pack", kind: "pack", ...texts, credits: 9, prices: [once(500)] };
function once(amount: number) {
  return { currency: "EUR", interval: "once", amount };
}

const rowsOf = (...products: object[]): CatalogRows =>
  toRows(parseCatalog({ catalog: "shop", products: [free, ...products] }), "test");
async function push(catalogRows: CatalogRows, dryRun = false) {
  const options = { secretKey: stripeKey, mode: "test" as const, baseUrl: server.url };
  const { archive, ...pushed } = await pushStripeCatalog(options, catalogRows, { dryRun });
  await archive();
  return pushed;
}
const tell = (changes: StripeChange[]) =>
  changes.map(({ action, what, product, price }) =>
    [action, what, product, price?.interval, price?.amount].filter((part) => part).join(" "),
  );
const stripeRows = ({ products }: CatalogRows, key: string) =>
  products.find((one) => one.key === key)?.prices.filter(({ provider }) => provider === "stripe");
const sold = () => server.books.list("price").filter((price) => price.active);
const writes = () => server.requests.filter(({ method }) => method !== "GET").length;

it("creates what is missing and gives each price its reference", async () => {
  const { rows, changes } = await push(rowsOf(pro, pack));
  expect(tell(changes)).toEqual([
    "create product pro",
    "create price pro month 900",
    "create price pro year 9000",
    "create product pack",
    "create price pack once 500",
  ]);
  const [monthly, yearly] = stripeRows(rows, "pro") ?? [];
  expect(server.books.get(monthly?.provider_ref)).toMatchObject({
    unit_amount: 900,
    currency: "usd",
    recurring: { interval: "month" },
    lookup_key: "ducat:shop:pro:usd:month",
  });
  expect(server.books.get(yearly?.provider_ref)).toMatchObject({ unit_amount: 9000 });
  const [single] = stripeRows(rows, "pack") ?? [];
  expect(server.books.get(single?.provider_ref)).toMatchObject({
    currency: "eur",
    recurring: null,
  });
  // The general prices stay beside them, for everybody else.
  expect(rows.products[1]?.prices.map(({ provider }) => provider)).toEqual([
    ...[null, null, null, "stripe", "stripe"],
  ]);
});

it("finds it all again and changes nothing", async () => {
  const first = await push(rowsOf(pro, pack));
  const before = writes();
  const second = await push(rowsOf(pro, pack));
  expect(second).toEqual({ rows: first.rows, changes: [] });
  expect(writes()).toBe(before);
});

it.each(["products", "prices"])(
  "finds %s that were made although the answer was lost",
  async (noun) => {
    server.faults.add(`POST /v1/${noun}`, "status_500_after");
    await expect(push(rowsOf(pack))).rejects.toMatchObject({ code: "provider_unavailable" });
    await push(rowsOf(pack));
    expect(sold()).toHaveLength(1);
    expect(server.books.list("product")).toHaveLength(1);
  },
);

it("keeps the old price on sale until the new one's row is stored", async () => {
  await push(rowsOf(pack));
  const options = { secretKey: stripeKey, mode: "test" as const, baseUrl: server.url };
  const dearer = rowsOf({ ...pack, prices: [once(700)] });
  const { archive } = await pushStripeCatalog(options, dearer);
  expect(sold()).toHaveLength(2);
  await archive();
  expect(sold()).toMatchObject([{ unit_amount: 700 }]);
});

it("tells what it would do without doing it", async () => {
  const { rows, changes } = await push(rowsOf(pro), true);
  expect(tell(changes)).toHaveLength(3);
  expect(rows).toEqual(rowsOf(pro));
  expect(writes()).toBe(0);
  await push(rowsOf(pro));
  const before = writes();
  const dearer = { ...pro, prices: [{ ...month, amount: 1000 }] };
  expect(tell((await push(rowsOf(dearer), true)).changes)).toEqual([
    "create price pro month 1000",
    "archive price pro",
    "archive price pro",
  ]);
  expect(writes()).toBe(before);
});

it("makes a new price of a changed amount and archives the old one", async () => {
  const first = await push(rowsOf(pack));
  const { rows, changes } = await push(rowsOf({ ...pack, prices: [once(700)] }));
  expect(tell(changes)).toEqual(["create price pack once 700", "archive price pack"]);
  expect(sold()).toMatchObject([
    { unit_amount: 700, id: stripeRows(rows, "pack")?.[0]?.provider_ref },
  ]);
  const [old] = stripeRows(first.rows, "pack") ?? [];
  expect(server.books.get(old?.provider_ref)).toMatchObject({ active: false, unit_amount: 500 });
});

it("updates a product's texts, archives one that left and restores one that returns", async () => {
  await push(rowsOf(pack, pro));
  expect(tell((await push(rowsOf({ ...pack, name: { en: "Nine" } }))).changes)).toEqual([
    "update product pack",
    "archive product pro",
  ]);
  const products = () => server.books.list("product");
  expect(products().find(({ active }) => active)).toMatchObject({ name: "Nine" });
  const back = await push(rowsOf({ ...pack, name: { en: "Nine" } }, pro));
  expect(tell(back.changes)).toEqual(["restore product pro"]);
  expect(products()).toHaveLength(2);
});

it("leaves what others sell through the same account alone", async () => {
  const { books } = server;
  const foreign = { name: "A mug", metadata: {}, active: true };
  books.keep("product", "prod", foreign);
  books.keep("product", "prod", {
    ...foreign,
    metadata: { ducat_catalog: "other", ducat_product: "pack" },
  });
  await push(rowsOf(pack));
  const [product] = books.list("product");
  const own = { product: product?.id, unit_amount: 1, currency: "eur", active: true };
  books.keep("price", "price", { ...own, metadata: {}, lookup_key: null, recurring: null });
  expect(tell((await push(rowsOf(pack))).changes)).toEqual([]);
  expect(books.list("product").filter(({ active }) => active)).toHaveLength(3);
});

it("uses a price whose reference the file gives, and makes none in its place", async () => {
  const own = { ...once(500), provider: "stripe", ref: "price_own" };
  const { rows, changes } = await push(rowsOf({ ...pack, prices: [once(400), own] }));
  expect(changes).toEqual([]);
  expect(stripeRows(rows, "pack")).toMatchObject([{ provider_ref: "price_own", amount: 500 }]);
});

it("says when the key belongs to the other mode, or Stripe doesn't know it", async () => {
  const options = { mode: "test" as const, baseUrl: server.url };
  await expect(
    pushStripeCatalog({ ...options, secretKey: "sk_live_x" }, rowsOf(pack)),
  ).rejects.toThrow(/no key for test mode/);
  await expect(
    pushStripeCatalog({ ...options, secretKey: "sk_test_other" }, rowsOf(pack)),
  ).rejects.toMatchObject({ code: "provider_unavailable" });
  expect(writes()).toBe(0);
});
