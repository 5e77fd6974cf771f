import postgres from "postgres";
import { expect, it } from "vitest";
import { refusalOf } from "../test/outcome.ts";
import { useDatabase } from "../test/use-database.ts";
import { type CatalogRows, findCatalogName, pushCatalog } from "./catalog.ts";

const database = useDatabase();

type Product = CatalogRows["products"][number];
type Price = Product["prices"][number];
const usd: Price = {
  provider: null,
  currency: "USD",
  interval: "once",
  amount: 500,
  provider_ref: null,
};
const atStripe: Price = { ...usd, provider: "stripe", provider_ref: "price_1" };

function product(key: string, change: Partial<Product> = {}): Product {
  return {
    key,
    kind: "pack",
    name: { en: key },
    description: { en: key },
    audience: null,
    credits: 10,
    bonus: 0,
    trial_days: 0,
    trial_credits: 0,
    rollover: "none",
    rollover_cap: null,
    grace_days: 7,
    valid_days: null,
    needs_subject: false,
    features: {},
    allowances: {},
    rate_limits: {},
    is_default: false,
    position: 0,
    prices: [usd],
    ...change,
  };
}
const free = product("free", { kind: "plan", is_default: true, credits: 0, prices: [] });
const shop = (...products: Product[]): CatalogRows => ({
  catalog: "shop",
  trial_credits: 3,
  products: [free, ...products],
});
const push = (...products: Product[]) => pushCatalog(database.admin, shop(...products));
const tell = (changes: Awaited<ReturnType<typeof push>>) =>
  changes.map((change) => {
    if (change.what !== "price") return `${change.action} ${change.what}`;
    const { provider, amount, provider_ref } = change.price;
    return [change.action, provider, amount, provider_ref].filter((part) => part).join(" ");
  });
const readPrices = (key: string) => database.admin<
  { id: string; amount: number; is_active: boolean; provider: string | null }[]
>`
  SELECT r.id, r.amount, r.is_active, r.provider, r.provider_ref
  FROM ducat.prices r JOIN ducat.products p ON p.id = r.product_id
  WHERE p.key = ${key} ORDER BY r.id`;

it("changes nothing for the same again, also for many at once", async () => {
  await push(product("same"));
  const sessions = Array.from({ length: 4 }, () => postgres(database.url, { max: 1 }));
  const pushed = await Promise.all(
    sessions.flatMap((sql) => [
      pushCatalog(sql, shop(product("same"), product("more"))),
      pushCatalog(sql, shop(product("same"), product("more"))),
    ]),
  );
  await Promise.all(sessions.map((sql) => sql.end()));
  expect(pushed.map((changes) => changes.length).sort()).toEqual([0, 0, 0, 0, 0, 0, 0, 2]);
  expect(await readPrices("more")).toHaveLength(1);
  expect(await findCatalogName(database.admin)).toBe("shop");
});

it("tells what would change without changing it", async () => {
  await push(product("dry"));
  const before = await readPrices("dry");
  const wanted = product("dry", { credits: 12, prices: [{ ...usd, amount: 600 }] });
  const told = await pushCatalog(database.admin, shop(wanted), { dryRun: true });
  expect(told).toMatchObject([
    { action: "change", product: "dry", before: { credits: 10 }, after: { credits: 12 } },
    { action: "retire", price: { amount: 500 } },
    { action: "add", price: { amount: 600 } },
  ]);
  expect(await readPrices("dry")).toEqual(before);
  expect(await push(wanted)).toEqual(told);
});

it("retires the price of a changed amount, and restores it when the amount comes back", async () => {
  await push(product("changed"));
  const [first] = await readPrices("changed");
  await push(product("changed", { prices: [{ ...usd, amount: 700 }] }));
  expect(await readPrices("changed")).toMatchObject([
    { id: first?.id, amount: 500, is_active: false },
    { amount: 700, is_active: true },
  ]);
  expect(tell(await push(product("changed")))).toEqual(["retire 700", "restore 500"]);
  expect(await readPrices("changed")).toMatchObject([
    { id: first?.id, is_active: true },
    { amount: 700, is_active: false },
  ]);
});

it("retires a product that left, with its prices, and restores the same row", async () => {
  const read = () => database.admin`
    SELECT id, is_active, is_default FROM ducat.products WHERE key = 'left'`;
  await push(product("left"));
  const [made] = await read();
  expect(tell(await push())).toEqual(["retire product"]);
  expect(await read()).toEqual([{ ...made, is_active: false }]);
  expect(await readPrices("left")).toMatchObject([{ is_active: false }]);
  expect(tell(await push(product("left")))).toEqual(["restore product", "restore 500"]);
  expect(await read()).toEqual([made]);
});

it("keeps a provider's own price as long as the general one says the same", async () => {
  await push(product("kept", { prices: [usd, atStripe] }));
  expect(await push(product("kept"))).toEqual([]);
  const dearer = { ...usd, amount: 900 };
  expect(tell(await push(product("kept", { prices: [dearer] })))).toEqual([
    "retire 500",
    "retire stripe 500 price_1",
    "add 900",
  ]);
  const own = { ...atStripe, amount: 800, provider_ref: "price_2" };
  await push(product("kept", { prices: [dearer, own] }));
  expect(tell(await push(product("kept", { prices: [dearer] })))).toEqual([
    "retire stripe 800 price_2",
  ]);
});

it("gives a price its reference, and makes another price of another reference", async () => {
  await push(product("referred", { prices: [{ ...atStripe, provider_ref: null }] }));
  const [first] = await readPrices("referred");
  expect(tell(await push(product("referred", { prices: [atStripe] })))).toEqual([
    "change stripe 500 price_1",
  ]);
  expect(
    await push(product("referred", { prices: [{ ...atStripe, provider_ref: null }] })),
  ).toEqual([]);
  const other = { ...atStripe, provider_ref: "price_9" };
  await push(product("referred", { prices: [other] }));
  expect(await readPrices("referred")).toMatchObject([
    { id: first?.id, provider_ref: "price_1", is_active: false },
    { provider_ref: "price_9", is_active: true },
  ]);
});

it("never takes an amount below 1 or over 10^12, and then changes nothing", async () => {
  await push(product("safe"));
  for (const amount of [0, -500, 1_000_000_000_001]) {
    const wanted = product("safe", { credits: 99, prices: [{ ...usd, amount }] });
    await expect(push(wanted)).rejects.toThrow();
  }
  expect(await refusalOf(push(product("safe", { prices: [{ ...usd, amount: -1 }] })))).toEqual({
    code: "validation_failed",
    reason: "amount",
    product: "safe",
    amount: -1,
  });
  expect(await push(product("safe"))).toEqual([]);
});

it("refuses a catalog that leaves somebody without a plan or with two", async () => {
  const audiences = [{ ...free, audience: "user" }, product("other", { ...free, key: "other" })];
  for (const products of [[], [audiences[0]], audiences]) {
    const wanted = { ...shop(), products } as CatalogRows;
    expect(await refusalOf(pushCatalog(database.admin, wanted))).toMatchObject({
      code: "validation_failed",
      reason: "default_plan",
    });
  }
});

it("never turns a product into one of another kind", async () => {
  await push(product("kind"));
  const plan = product("kind", { kind: "plan", prices: [] });
  expect(await refusalOf(push(plan))).toEqual({
    code: "invalid_state",
    reason: "kind_changed",
    product: "kind",
  });
});

it("is nothing that the API or a worker may do", async () => {
  for (const sql of [database.app, database.worker]) {
    await expect(pushCatalog(sql, shop())).rejects.toThrow(/permission denied/);
    await expect(sql`UPDATE ducat.prices SET amount = 1`).rejects.toThrow(/permission denied/);
  }
});
