import { randomUUID } from "node:crypto";
import { AdminProductList, type Price, type Product, ProductList } from "@ducat/types/products";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadCatalog } from "../../../../infra/catalog/load-catalog.ts";
import { type Call, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  const payments = {
    STRIPE_SECRET_KEY: "sk_test_51ducat",
    STRIPE_WEBHOOK_SECRET: ["whsec_x"],
    ZARINPAL_MERCHANT_ID: "00000000-0000-4000-8000-000000000000",
  };
  stage = await setStage({ payments: payments as never });
});
afterAll(() => stage.close());

async function list(how: Call = {}, query = ""): Promise<ProductList> {
  const answer = await stage.call(`/v1/products${query}`, how);
  expect(answer.status).toBe(200);
  return ProductList.parse(answer.body);
}
const find = ({ data }: ProductList, key: string) => data.find((product) => product.key === key);
const priceOf = (product: Product | undefined, currency: string, interval = "once") =>
  product?.prices.find((one) => one.price.currency === currency && one.interval === interval);
const plain = (price: Price | undefined) =>
  JSON.parse(JSON.stringify(price?.display).replaceAll("\u00a0", " "));
async function makeAccount(more: object): Promise<string> {
  const body = { external_id: randomUUID(), ...more };
  return (await stage.call("/v1/accounts", { body })).body.id;
}
const load = (catalog: string) => loadCatalog({ adminUrl: stage.db.url, catalog });

describe("GET /v1/products", () => {
  it("lists what is on sale in the catalog's order, for no account too", async () => {
    const { data, language } = await list();
    expect(language).toBe("en");
    expect(data.map(({ key }) => key)).toEqual([
      ...["free", "7day_pass", "per_property", "monthly_pro", "pack_10", "pack_50", "pack_200"],
    ]);
    expect(data[0]).toMatchObject({ is_default: true, prices: [] });
    expect(Object.keys(data[0]?.features ?? {})).toEqual([
      ...["daily_designs", "areas_per_design", "commercial_use", "gallery_images"],
    ]);
    expect(data[2]).toMatchObject({ needs_subject: true, valid_days: 90, credits: 30 });
    const packs = await list({}, "?kind=pack");
    expect(packs.data.map(({ key }) => key)).toEqual(["pack_10", "pack_50", "pack_200"]);
  });

  it("shows prices, by the credit and what they save, in the language that is wished for", async () => {
    const english = await list();
    expect(plain(priceOf(find(english, "pack_200"), "USD"))).toEqual({
      price: "$60.00",
      per_credit: "$0.273",
      per_month: null,
      savings: "45%",
    });
    expect(plain(priceOf(find(english, "monthly_pro"), "USD", "year"))).toMatchObject({
      per_month: "$15.83",
      savings: "17%",
    });
    const persian = await list({ headers: { "accept-language": "fa-IR" } });
    expect(persian.language).toBe("fa-IR");
    expect(find(persian, "free")?.name).toBe("رایگان");
    expect(find(persian, "free")?.features.gallery_images?.name).toBe("تصویر در گالری");
    expect(plain(priceOf(find(persian, "pack_10"), "IRR"))).toMatchObject({
      price: "۵۰۰٬۰۰۰ ریال ایران",
      per_credit: "۵۰٬۰۰۰ ریال ایران",
    });
  });

  it("speaks an account's own language unless another is wished for", async () => {
    const account = await makeAccount({ locale: "fa" });
    expect((await list({ account })).language).toBe("fa");
    const answer = await stage.call("/v1/products", {
      account,
      headers: { "accept-language": "en" },
    });
    expect(answer.headers.get("content-language")).toBe("en");
    expect(answer.headers.get("vary")).toContain("Accept-Language");
  });

  it("says of each price who can sell it here", async () => {
    const products = await list();
    const pack = find(products, "pack_10");
    expect(priceOf(pack, "USD")?.providers).toEqual(["stripe", "sandbox"]);
    expect(priceOf(pack, "IRR")?.providers).toEqual(["zarinpal", "sandbox"]);
    // A plan is sold at Stripe once it has its price there.
    expect(priceOf(find(products, "monthly_pro"), "USD", "month")?.providers).toEqual(["sandbox"]);
  });

  it("shows a general price and a provider's own of the same amount as one", async () => {
    await stage.db.admin`
      INSERT INTO ducat.prices (product_id, provider, currency, interval, amount, provider_ref)
      SELECT id, 'stripe', 'USD', 'month', 1900, 'price_1' FROM ducat.products
      WHERE key = 'monthly_pro'`;
    const { prices } = find(await list(), "monthly_pro") ?? { prices: [] };
    expect(prices).toHaveLength(4);
    const monthly = prices.find(({ price }) => price.amount === 1900);
    expect(monthly?.providers).toEqual(["stripe", "sandbox"]);
    const [general] = await stage.db.admin`
      SELECT id FROM ducat.prices WHERE amount = 1900 AND provider IS NULL AND is_active`;
    expect(monthly?.id).toBe(general?.id);
    await stage.db.admin`UPDATE ducat.prices SET is_active = false WHERE provider_ref = 'price_1'`;
  });

  it("shows users and vendors what is theirs", async () => {
    await load("stylist");
    const keys = async (account?: string) => (await list({ account })).data.map(({ key }) => key);
    expect(await keys(await makeAccount({ kind: "user" }))).toEqual(["free", "basic", "advanced"]);
    expect(await keys(await makeAccount({ kind: "vendor" }))).toEqual([
      "vendor_free",
      "vendor_pro",
    ]);
    expect(await keys()).toHaveLength(5);
    await load("landscape");
  });

  it("asks for a key, a known account and a known kind", async () => {
    const get = async (how: Call, query = "") =>
      (await stage.call(`/v1/products${query}`, how)).status;
    expect(await get({ bearer: null })).toBe(401);
    expect(await get({ account: "nobody" })).toBe(404);
    expect(await get({}, "?kind=car")).toBe(422);
  });
});

describe("GET /v1/admin/products", () => {
  it("lists what was sold too, with every text and each provider's name of a price", async () => {
    await load("letters");
    await load("landscape");
    const answer = await stage.call("/v1/admin/products");
    const { data, catalog } = AdminProductList.parse(answer.body);
    expect(catalog).toBe("landscape");
    const retired = data.find(({ key }) => key === "mail_pack");
    expect(retired).toMatchObject({
      is_active: false,
      name: { en: "Ten letters by post" },
      prices: [{ provider: null, provider_ref: null, is_active: false, price: { amount: 1500 } }],
    });
    expect(data.filter(({ is_active }) => is_active)).toHaveLength(7);
  });

  it("is for administrators", async () => {
    expect((await stage.call("/v1/admin/products", { bearer: null })).status).toBe(401);
  });
});
