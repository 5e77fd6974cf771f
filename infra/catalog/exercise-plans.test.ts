import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { createAccount } from "../../packages/db/src/accounts.ts";
import { advanceClock, findBalance } from "../../packages/db/src/credits.ts";
import {
  assignPlan,
  type Entitlements,
  findEntitlements,
} from "../../packages/db/src/entitlements.ts";
import { releaseUsage, trackUsage } from "../../packages/db/src/usage.ts";
import { makePaid } from "../../packages/db/test/billing-factories.ts";
import { audit, eventId, secondsUntil } from "../../packages/db/test/entitlement-factories.ts";
import { refusalOf } from "../../packages/db/test/outcome.ts";
import { useDatabase } from "../../packages/db/test/use-database.ts";
import { checkFeature } from "../../packages/entitlements/src/check-feature.ts";
import { quoteGeneration } from "../../packages/entitlements/src/quote-generation.ts";
import { loadCatalog } from "./load-catalog.ts";

const database = useDatabase();
const subject = "home";

/** true or false: a flag; otherwise how much of it there is, null: without end. */
type Allowed = Record<string, boolean | number | null>;
type Row = [
  product: string,
  gives: { credits: number; rate_limits?: object; kind?: "vendor"; bound?: number },
  allowed: Allowed,
];

const flags = (on: string, all: string[]) =>
  Object.fromEntries(all.map((key) => [key, on.split(" ").includes(key)]));
const landscape = (areas: number, images: number, more: Allowed = {}): Allowed => ({
  daily_designs: 0,
  areas_per_design: areas,
  commercial_use: false,
  gallery_images: images,
  ...more,
});
const letters = (most: number | null, on: string, byPost: number): Allowed => ({
  letters: most,
  ...flags(on, ["email_delivery", "scheduling", "physical_mail"]),
  mail_credits: byPost,
});
const copywriter = (on: string, batch: number, calls: number | null): Allowed => ({
  ...flags(on, [
    ...["csv_upload", "email_support", "priority_support", "custom_templates", "api_access"],
    ...["white_label", "custom_integrations"],
  ]),
  products_per_batch: batch,
  api_calls: calls,
});

// What each product of the four systems allows whoever has it, and what an account then has: the
// trial's three credits of landscape, what the default plans of stylist and copywriter gave.
const byPost = "email_delivery scheduling physical_mail";
const support = "csv_upload email_support priority_support custom_templates api_access";
const catalogs: Record<string, Row[]> = {
  landscape: [
    ["free", { credits: 3 }, landscape(10, 10)],
    ["7day_pass", { credits: 23 }, landscape(15, 50, { daily_designs: 10 })],
    ["per_property", { credits: 3, bound: 30 }, landscape(25, 10, { commercial_use: true })],
    ["monthly_pro", { credits: 63 }, landscape(25, 500, { commercial_use: true })],
    ["pack_10", { credits: 13 }, landscape(10, 10)],
    ["pack_50", { credits: 53 }, landscape(10, 10)],
    ["pack_200", { credits: 223 }, landscape(10, 10)],
  ],
  letters: [
    ["free", { credits: 0 }, letters(5, "", 0)],
    ["pro", { credits: 0 }, letters(null, byPost, 2)],
    ["enterprise", { credits: 0 }, letters(null, byPost, 50)],
    ["mail_pack", { credits: 0 }, letters(5, "", 10)],
  ],
  stylist: [
    ["free", { credits: 2 }, { gallery_images: 5 }],
    ["basic", { credits: 22 }, { gallery_images: 50 }],
    ["advanced", { credits: 102 }, { gallery_images: 200 }],
    ["vendor_free", { credits: 0, kind: "vendor" }, { gallery_images: 10 }],
    ["vendor_pro", { credits: 0, kind: "vendor" }, { gallery_images: 500 }],
  ],
  copywriter: [
    [
      "free",
      { credits: 10, rate_limits: { minute: 5, hour: 50 } },
      copywriter("csv_upload", 10, 0),
    ],
    [
      "basic",
      { credits: 110, rate_limits: { minute: 20, hour: 500 } },
      copywriter("csv_upload email_support", 50, 0),
    ],
    [
      "pro",
      { credits: 1010, rate_limits: { minute: 50, hour: 2000 } },
      copywriter(support, 200, 1000),
    ],
    [
      "enterprise",
      { credits: 10_010, rate_limits: { minute: 100, hour: 10_000 } },
      copywriter(`${support} white_label custom_integrations`, 1000, null),
    ],
  ],
};

const purposes = { plan: "subscription", pack: "pack", pass: "pass" } as const;

/** An account that has bought the product, or was given the plan that has no price. */
async function makeCustomer(key: string, kind: "user" | "vendor"): Promise<string> {
  const { app, admin } = database;
  const made = await createAccount(app, { external_id: randomUUID(), kind });
  const { id } = made.account;
  const [product] = await admin<
    { kind: keyof typeof purposes; is_default: boolean; needs_subject: boolean; price: string }[]
  >`
    SELECT kind, is_default, needs_subject, (SELECT id FROM ducat.prices r
      WHERE r.product_id = p.id AND r.is_active ORDER BY amount LIMIT 1) AS price
    FROM ducat.products p WHERE key = ${key} AND is_active`;
  if (!product) throw new Error(`there is no product ${key}`);
  if (product.price) {
    const named = product.needs_subject && { subject };
    const purpose = purposes[product.kind];
    await makePaid(app, id, { purpose, priceId: product.price, ...named });
  } else if (!product.is_default) await assignPlan(app, id, { plan: key, audit });
  return id;
}

const take = (id: string, feature: string, amount: number, event = eventId()) =>
  trackUsage(database.app, id, { feature, amount, eventId: event, subject });

/** Uses a feature up to what is allowed and tries one more; gives a part back, waits for more. */
async function exercise(id: string, feature: string, most: number | null) {
  if (most === null) {
    expect(await take(id, feature, 1_000_000)).toMatchObject({ limit: null, remaining: null });
    return;
  }
  const event = eventId();
  if (most > 0) await take(id, feature, 1, event);
  if (most > 1) expect(await take(id, feature, most - 1)).toMatchObject({ remaining: 0 });
  const refused = await refusalOf(take(id, feature, 1));
  expect(refused).toMatchObject({ quota: feature, limit: most, current: most });
  if (most === 0) return;
  await releaseUsage(database.app, id, event);
  expect(await take(id, feature, 1)).toMatchObject({ used: most });
  if (typeof refused.resets_at !== "string") return;
  await advanceClock(database.app, id, await secondsUntil(database.admin, id, refused.resets_at));
  expect(await take(id, feature, 1)).toMatchObject({ used: 1, limit: most });
}

/** What a request may not have more of is refused where a generation is asked for. */
async function exerciseRequest(found: Entitlements, most: number) {
  const ask = (areas: number) =>
    quoteGeneration(found, { style: "any", items: areas, areas, subject }, async () => 1);
  await ask(most);
  expect(await refusalOf(ask(most + 1))).toMatchObject({ code: "quota_exceeded", limit: most });
}

describe.each(Object.entries(catalogs))("%s works by configuration alone", (name, rows) => {
  beforeAll(async () => {
    await loadCatalog({ adminUrl: database.url, catalog: name });
  });

  it("and every product of it is tried here", async () => {
    const products = await database.admin<{ key: string }[]>`
      SELECT key FROM ducat.products WHERE is_active ORDER BY position`;
    expect(rows.map(([key]) => key)).toEqual(products.map(({ key }) => key));
  });

  it.each(rows)("%s allows what it says, and no more", async (key, gives, allowed) => {
    const { credits, rate_limits = {}, kind = "user", bound } = gives;
    const id = await makeCustomer(key, kind);
    const found = await findEntitlements(database.app, id);
    expect(Object.keys(found.features).sort()).toEqual(Object.keys(allowed).sort());
    expect(found).toMatchObject({ rate_limits, limits: {} });
    const balance = await findBalance(database.app, id);
    expect(balance).toMatchObject({
      available: credits,
      bound: bound === undefined ? [] : [{ subject, remaining: bound }],
    });
    for (const [feature, most] of Object.entries(allowed)) {
      const described = found.features[feature];
      const check = (amount: number) => checkFeature(found, { feature, amount, subject });
      if (typeof most === "boolean") {
        expect(check(1).allowed, feature).toBe(most);
      } else if (described?.kind === "limit" && described.period === "request") {
        expect([check(most ?? 0), check((most ?? 0) + 1)], feature).toMatchObject([
          { allowed: true },
          { allowed: false, limit: most },
        ]);
        await exerciseRequest(found, most ?? 0);
      } else {
        expect(check(most ?? 1_000_000).allowed, feature).toBe(true);
        expect(check((most ?? 0) + 1).allowed, feature).toBe(most === null);
        await exercise(id, feature, most);
      }
    }
  });
});
