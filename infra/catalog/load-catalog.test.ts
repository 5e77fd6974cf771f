import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { useDatabase } from "../../packages/db/test/use-database.ts";
import { loadCatalog, readCatalog } from "./load-catalog.ts";

const database = useDatabase();
const load = (catalog?: string) => loadCatalog({ adminUrl: database.url, catalog });
const dirs: string[] = [];
afterEach(async () => {
  await load("landscape");
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true, force: true });
});

async function writeCatalog(text: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "ducat-catalog-"));
  dirs.push(dir);
  const file = join(dir, "shop.json");
  await writeFile(file, text);
  return file;
}

/** The products on sale: what section 9 of the design says of each, and its prices. */
async function readProducts() {
  const rows = await database.admin`
    SELECT key, kind, audience, credits, bonus, rate_limits, allowances, features, is_default,
      needs_subject, valid_days,
      ARRAY(SELECT concat_ws(' ', provider, currency, interval, amount) FROM ducat.prices
            WHERE product_id = p.id AND is_active ORDER BY amount) AS prices
    FROM ducat.products p WHERE is_active ORDER BY position`;
  return new Map(rows.map((row) => [row.key as string, row]));
}

const flag = (enabled: boolean) => ({ kind: "flag", enabled });
const limit = (period: string, most: number | null) => ({ kind: "limit", period, limit: most });
const held = (most: number) => ({ kind: "stock", counts: "held", limit: most });
const spent = { kind: "stock", counts: "spent" };

type Row = [key: string, prices: string[], what: object];
const catalogs: Record<string, Row[]> = {
  landscape: [
    ["free", [], { kind: "plan", credits: 0, is_default: true }],
    ["7day_pass", ["USD once 900", "IRR once 900000"], { kind: "pass", valid_days: 7 }],
    [
      "per_property",
      ["USD once 1500", "IRR once 1500000"],
      { kind: "pass", needs_subject: true, credits: 30 },
    ],
    [
      "monthly_pro",
      ["USD month 1900", "USD year 19000", "IRR month 1900000", "IRR year 19000000"],
      { kind: "plan", credits: 60 },
    ],
    ["pack_10", ["USD once 500", "IRR once 500000"], { kind: "pack", credits: 10, bonus: 0 }],
    ["pack_50", ["USD once 2000", "IRR once 2000000"], { kind: "pack", credits: 50, bonus: 0 }],
    ["pack_200", ["USD once 6000", "IRR once 6000000"], { kind: "pack", credits: 200, bonus: 20 }],
  ],
  letters: [
    [
      "free",
      [],
      {
        is_default: true,
        features: {
          letters: limit("month", 5),
          email_delivery: flag(false),
          scheduling: flag(false),
          mail_credits: spent,
        },
        allowances: {},
      },
    ],
    [
      "pro",
      ["USD month 900", "USD year 9000"],
      {
        features: {
          letters: limit("month", null),
          email_delivery: flag(true),
          scheduling: flag(true),
          mail_credits: spent,
        },
        allowances: { mail_credits: 2 },
      },
    ],
    ["enterprise", [], { features: { letters: limit("month", null), scheduling: flag(true) } }],
    [
      "mail_pack",
      ["USD once 1500"],
      { kind: "pack", credits: 0, allowances: { mail_credits: 10 } },
    ],
  ],
  stylist: [
    ["free", [], stylist("user", 2, 5, true)],
    ["basic", ["IRR month 50000"], stylist("user", 20, 50)],
    ["advanced", ["IRR month 150000"], stylist("user", 100, 200)],
    ["vendor_free", [], stylist("vendor", 0, 10, true)],
    ["vendor_pro", ["IRR month 100000"], stylist("vendor", 0, 500)],
  ],
  copywriter: [
    ["free", [], copywriter([10, 5, 50], "csv_upload")],
    ["basic", ["USD month 999"], copywriter([100, 20, 500], "csv_upload email_support")],
    [
      "pro",
      ["USD month 2999"],
      copywriter(
        [1000, 50, 2000],
        "csv_upload email_support priority_support custom_templates api_access",
      ),
    ],
    [
      "enterprise",
      ["USD month 9999"],
      copywriter(
        [10_000, 100, 10_000],
        "csv_upload email_support priority_support custom_templates api_access white_label" +
          " custom_integrations",
      ),
    ],
  ],
};

function stylist(audience: string, credits: number, images: number, is_default = false) {
  return {
    kind: "plan",
    audience,
    credits,
    is_default,
    features: { gallery_images: held(images) },
  };
}

function copywriter([credits, minute, hour]: [number, number, number], flags: string) {
  const all =
    "csv_upload email_support priority_support custom_templates api_access white_label" +
    " custom_integrations";
  const on = flags.split(" ");
  const features = Object.fromEntries(all.split(" ").map((key) => [key, flag(on.includes(key))]));
  return { kind: "plan", credits, rate_limits: { minute, hour }, features };
}

describe("the catalogs of this repository", () => {
  it.each(Object.entries(catalogs))("%s has its prices and limits", async (name, rows) => {
    await load(name);
    const products = await readProducts();
    expect([...products.keys()]).toEqual(rows.map(([key]) => key));
    for (const [key, prices, what] of rows) {
      expect(products.get(key), key).toMatchObject(what);
      expect(new Set(products.get(key)?.prices), key).toEqual(new Set(prices));
    }
    expect(await load(name)).toEqual([]);
  });

  it.each(Object.keys(catalogs))("%s is in English and Persian", async (name) => {
    const { products, features } = await readCatalog(name);
    const texts = [...products.flatMap((p) => [p.name, p.description])];
    texts.push(...Object.values(features).map((feature) => feature.name));
    for (const text of texts) expect(Object.keys(text)).toEqual(["en", "fa"]);
    for (const { fa } of texts) expect(fa).toMatch(/\p{Script=Arabic}/u);
  });
});

describe("loadCatalog", () => {
  const shop = JSON.stringify({
    catalog: "shop",
    trial_credits: 0,
    products: [
      { key: "free", kind: "plan", name: { en: "F" }, description: { en: "F" }, is_default: true },
    ],
  });

  it("keeps to the catalog that is loaded when none is named", async () => {
    await load("letters");
    expect(await load()).toEqual([]);
    expect([...(await readProducts()).keys()]).toContain("mail_pack");
  });

  it("takes a file from elsewhere, and leaves it in peace when none is named", async () => {
    await load(await writeCatalog(shop));
    expect([...(await readProducts()).keys()]).toEqual(["free"]);
    expect(await load()).toEqual([]);
    const [trial] = await database.admin`
      SELECT value FROM ducat.admin_config WHERE key = 'trial_credits'`;
    expect(trial?.value).toBe(0);
  });

  it("changes nothing for a catalog that is not valid, and says which file and where", async () => {
    const before = await readProducts();
    const broken = await writeCatalog(shop.replace('"kind":"plan"', '"kind":"plan","credits":-1'));
    await expect(load(broken)).rejects.toThrow(/shop\.json: .*products\[0\]\.credits: /s);
    await expect(load(await writeCatalog("{,}"))).rejects.toThrow(/shop\.json: .*JSON/);
    await expect(load("nothing")).rejects.toThrow(/no catalog nothing/);
    expect(await readProducts()).toEqual(before);
  });
});
