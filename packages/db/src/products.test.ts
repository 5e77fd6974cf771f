import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { makeAccount } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { createAccount } from "./accounts.ts";
import { listOffers } from "./offers.ts";
import { listAllProducts, listProducts, listProductsFor } from "./products.ts";

const database = useDatabase();

type Price = { id: string; provider: string | null; amount: number };
async function addPrice(key: string, provider: string, amount: number): Promise<string> {
  const [price] = await database.admin<{ id: string }[]>`
    INSERT INTO ducat.prices (product_id, provider, currency, interval, amount, provider_ref)
    SELECT id, ${provider}, 'USD', 'once', ${amount}, ${randomUUID()} FROM ducat.products
    WHERE key = ${key} RETURNING id`;
  return price?.id ?? "";
}
async function findGeneral(key: string): Promise<string> {
  const [price] = await database.admin<Price[]>`
    SELECT r.id FROM ducat.prices r JOIN ducat.products p ON p.id = r.product_id
    WHERE p.key = ${key} AND r.provider IS NULL AND r.currency = 'USD' AND r.is_active`;
  return price?.id ?? "";
}

describe("the list of products", () => {
  beforeAll(async () => {
    await database.admin`
      UPDATE ducat.products SET audience = 'vendor' WHERE key = 'pack_200'`;
    await database.admin`
      UPDATE ducat.products SET is_active = false WHERE key = 'per_property'`;
    await database.admin`
      UPDATE ducat.prices SET is_active = false WHERE amount = 500 AND currency = 'USD'`;
  });

  it("has what is on sale, with the prices that are", async () => {
    const products = await listProducts(database.app);
    expect(products.map(({ key }) => key)).toEqual([
      ...["free", "7day_pass", "monthly_pro", "pack_10", "pack_50", "pack_200"],
    ]);
    const ten = products.find(({ key }) => key === "pack_10");
    expect(ten?.prices.map(({ currency }) => currency)).toEqual(["IRR"]);
    expect(await listProducts(database.app, { kind: "pass" })).toHaveLength(1);
  });

  it("has what is for the account's kind, and tells its language", async () => {
    const { id } = await makeAccount(database.app);
    const forUser = await listProductsFor(database.app, id, { kind: "pack" });
    expect(forUser.products.map(({ key }) => key)).toEqual(["pack_10", "pack_50"]);
    const vendor = { external_id: randomUUID(), kind: "vendor", locale: "fa" } as const;
    const { account } = await createAccount(database.app, vendor);
    const forVendor = await listProductsFor(database.app, account.id, { kind: "pack" });
    expect(forVendor.products.map(({ key }) => key)).toContain("pack_200");
    expect(forVendor.locale).toBe("fa");
    const nobody = await listProductsFor(database.app, randomUUID());
    expect(nobody).toEqual({ products: [], locale: undefined });
  });

  it("keeps what was retired for those who look after it", async () => {
    const all = await listAllProducts(database.app);
    expect(all.at(-1)).toMatchObject({ key: "per_property", is_active: false });
    const ten = all.find(({ key }) => key === "pack_10");
    expect(ten?.prices.map(({ currency, is_active }) => [currency, is_active])).toEqual([
      ["IRR", true],
      ["USD", false],
    ]);
  });
});

describe("listOffers", () => {
  it("takes a general price for what providers call the same, and nothing else", async () => {
    const { id } = await makeAccount(database.app);
    const general = await findGeneral("pack_50");
    const own = await addPrice("pack_50", "stripe", 2000);
    const dearer = await addPrice("pack_50", "lemonsqueezy", 2300);
    const offersOf = async (priceId: string) =>
      (await listOffers(database.app, id, { priceId })).map(({ price_id }) => price_id).sort();
    expect(await offersOf(general)).toEqual([general, own].sort());
    expect(await offersOf(own)).toEqual([own]);
    expect(await offersOf(dearer)).toEqual([dearer]);
    await database.admin`UPDATE ducat.prices SET is_active = false WHERE id = ${general}`;
    expect(await offersOf(general)).toEqual([]);
    expect(await offersOf(randomUUID())).toEqual([]);
  });
});
