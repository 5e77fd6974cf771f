import { readFile } from "node:fs/promises";
import { CatalogPush, CatalogVersion, CatalogVersionPage } from "@ducat/types/admin-catalog";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadCatalog } from "../../../../infra/catalog/load-catalog.ts";
import { pushEverywhere } from "../../../../infra/catalog/push-everywhere.ts";
import {
  type StripeServer,
  startStripe,
  stripeKey,
} from "../../../../packages/billing/test/stripe-server.ts";
import { type Stage, setStage } from "../../test/stage.ts";

const path = "/v1/admin/catalog";
const file = new URL("../../../../catalogs/letters.json", import.meta.url);
const letters = JSON.parse(await readFile(file, "utf8"));

/** The same catalog with another price of its pack. */
const withPack = (amount: number) => {
  const changed = structuredClone(letters);
  const pack = changed.products.find(({ kind }: { kind: string }) => kind === "pack");
  pack.prices = [{ ...pack.prices[0], amount }];
  return changed;
};
const push = async (stage: Stage, body: object, query = "") => {
  const answer = await stage.call(`${path}${query}`, { body });
  expect([answer.status, answer.text.slice(0, 300)]).toEqual([200, expect.anything()]);
  return CatalogPush.parse(answer.body);
};
const current = async (stage: Stage) => CatalogVersion.parse((await stage.call(path)).body);
const listLines = async (stage: Stage) => {
  const lines = await stage.db.admin`
    SELECT actor, action FROM ducat.audit_logs WHERE resource = 'catalog' ORDER BY id`;
  return lines.map(({ actor, action }) => `${actor} ${action}`);
};

describe("the catalog", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
    await stage.deps.cache.ready();
  });
  afterAll(() => stage.close());
  const listProducts = async () =>
    (await stage.call("/v1/products")).body.data.map(({ key }: { key: string }) => key);

  it("that a start loaded is the first version", async () => {
    const found = await current(stage);
    expect(found).toMatchObject({ version: 1, catalog: "landscape", pushed_by: "start" });
    expect(found.document).toMatchObject({ catalog: "landscape" });
  });

  it("is pushed, sold at once, and shown as it was sent; a dry run only tells", async () => {
    const before = await listProducts();
    const dry = await push(stage, letters, "?dry_run=true");
    expect(dry).toMatchObject({ dry_run: true, catalog: "letters", prices: null });
    expect(dry.changes.length).toBeGreaterThan(5);
    expect([await listProducts(), (await current(stage)).version]).toEqual([before, 1]);
    expect(await listLines(stage)).toEqual([]);
    const done = await push(stage, letters);
    expect(done.changes).toEqual(dry.changes);
    expect(await listProducts()).not.toEqual(before);
    const found = await current(stage);
    expect(found).toMatchObject({ version: 2, catalog: "letters", pushed_by: "root" });
    expect(JSON.stringify(found.document)).toBe(JSON.stringify(letters));
    expect((await push(stage, letters)).changes).toEqual([]);
    expect((await current(stage)).version).toBe(2);
    expect(await listLines(stage)).toEqual(["root catalog.push", "root catalog.push"]);
  });

  it("stays as an operator pushed it, whatever the next start loads, until the command", async () => {
    const start = { adminUrl: stage.db.url, mode: "test" as const };
    expect(await loadCatalog({ ...start, catalog: "landscape" })).toEqual([]);
    expect(await loadCatalog(start)).toEqual([]);
    expect((await current(stage)).catalog).toBe("letters");
    await pushEverywhere({ ...start, catalog: "letters", dryRun: false });
    const after = await push(stage, letters);
    expect(after.changes).toEqual([]);
  });

  it("goes back to what it was, features in their order, as a new version", async () => {
    const features = async () => {
      const [row] = await stage.db.admin`
        SELECT features FROM ducat.products WHERE key = 'pro' AND is_active`;
      return row?.features;
    };
    const wanted = await features();
    const other = withPack(1_234);
    other.features = Object.fromEntries(Object.entries(other.features).reverse());
    await push(stage, other);
    expect(await features()).not.toEqual(wanted);
    const { data } = CatalogVersionPage.parse((await stage.call(`${path}/versions`)).body);
    const [last, before] = data;
    const body = { version: before?.version ?? 0 };
    const dry = await stage.call(`${path}/restore?dry_run=true`, { body });
    expect(dry.body.dry_run).toBe(true);
    expect(await features()).not.toEqual(wanted);
    const back = await stage.call(`${path}/restore`, { body });
    expect(back.body.changes.length).toBeGreaterThan(0);
    expect(await features()).toEqual(wanted);
    expect((await current(stage)).version).toBe((last?.version ?? 0) + 1);
    const shown = await stage.call(`${path}/versions/${last?.version}`);
    expect(CatalogVersion.parse(shown.body).document).toEqual(other);
    expect((await stage.call(`${path}/restore`, { body: { version: 999 } })).status).toBe(404);
    expect((await stage.call(`${path}/versions/999`)).status).toBe(404);
    await stage.db.admin`UPDATE ducat.catalog_versions SET document = NULL WHERE version = 1`;
    const lost = await stage.call(`${path}/restore`, { body: { version: 1 } });
    expect([lost.status, lost.body.reason]).toEqual([409, "no_document"]);
  });

  it("with a mistake is refused with every place, and nothing is changed", async () => {
    const wrong = withPack(0);
    wrong.products[0].credits = -1;
    wrong.surprise = 1;
    const before = await current(stage);
    const refused = await stage.call(path, { body: wrong });
    expect(refused.status).toBe(422);
    const { surprise: _, ...known } = wrong;
    const deeper = await stage.call(path, { body: known });
    const pointers = deeper.body.errors.map(({ pointer }: { pointer: string }) => pointer);
    expect(pointers).toEqual(expect.arrayContaining(["/products/0/credits"]));
    expect(pointers.some((at: string) => at.endsWith("/prices/0/amount"))).toBe(true);
    const kind = structuredClone(letters);
    const pack = kind.products.find(({ kind }: { kind: string }) => kind === "pack");
    Object.assign(pack, { kind: "pass", valid_days: 7 });
    const changed = await stage.call(path, { body: kind });
    expect([changed.status, changed.body.reason]).toEqual([409, "kind_changed"]);
    expect(await current(stage)).toEqual(before);
  });

  it("has every version of those who push at the same time, one after the other", async () => {
    const { version } = await current(stage);
    await Promise.all([701, 702, 703].map((amount) => push(stage, withPack(amount))));
    expect((await current(stage)).version).toBe(version + 3);
    const page = await stage.call(`${path}/versions?limit=2`);
    const next = await stage.call(`${path}/versions?limit=2&cursor=${page.body.next_cursor}`);
    const versions = [...page.body.data, ...next.body.data].map((one) => one.version);
    expect(versions).toEqual([3, 2, 1, 0].map((ago) => version + ago));
  });

  it("leaves the trial to the operator who has set it, until it is taken back", async () => {
    const config = "/v1/admin/config/trial_credits";
    await stage.call(config, { method: "PUT", body: { value: 77 } });
    await push(stage, { ...letters, trial_credits: 5 });
    expect((await stage.call(config)).body.value).toBe(77);
    const back = await stage.call(config, { method: "DELETE" });
    expect(back.body).toMatchObject({ value: 5, is_set: false });
  });
});

describe("the catalog with Stripe's key", () => {
  let stage: Stage;
  let server: StripeServer;
  beforeAll(async () => {
    server = await startStripe(() => Date.parse("2026-11-20T12:00:00Z"));
    stage = await setStage({
      payments: {
        STRIPE_SECRET_KEY: stripeKey,
        STRIPE_WEBHOOK_SECRET: ["whsec_0123456789abcdef"],
        STRIPE_API_URL: server.url,
      },
    });
  });
  afterAll(async () => {
    await stage.close();
    await server.close();
  });

  it("is pushed there first, by one at a time", async () => {
    const dry = await push(stage, letters, "?dry_run=true");
    expect(dry.prices?.length).toBeGreaterThan(0);
    expect(await listLines(stage)).toEqual([]);
    const both = await Promise.all([
      stage.call(path, { body: letters }),
      stage.call(path, { body: letters }),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    const refused = both.find(({ status }) => status === 409);
    expect(refused?.body.code).toBe("in_progress");
    expect(await listLines(stage)).toEqual(["root catalog.prices", "root catalog.push"]);
    expect((await push(stage, letters)).prices).toEqual([]);
    const [row] = await stage.db.admin`
      SELECT count(*)::int AS n FROM ducat.prices WHERE is_active AND provider = 'stripe'`;
    expect(row?.n).toBeGreaterThan(0);
  });

  it("makes nothing there that the database would refuse", async () => {
    const kind = structuredClone(letters);
    const pack = kind.products.find(({ kind }: { kind: string }) => kind === "pack");
    Object.assign(pack, { kind: "pass", valid_days: 7, key: "mail_pack" });
    kind.products.push({ ...structuredClone(pack), key: "brand_new_pass" });
    const count = () => server.books.things.size;
    const before = count();
    expect((await stage.call(path, { body: kind })).status).toBe(409);
    expect(count()).toBe(before);
  });
});
