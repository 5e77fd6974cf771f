import { afterAll, beforeAll, expect, it } from "vitest";
import { loadCatalog } from "../../../infra/catalog/load-catalog.ts";
import {
  audit,
  eventId,
  givePass,
  limited,
  makeEntitled,
  makeFeatured,
  spent,
} from "../test/entitlement-factories.ts";
import { givePurchase, makeAccount, makeGeneration } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, complete } from "../test/work.ts";
import { advanceClock } from "./credits.ts";
import { assignPlan, removeFeatureOverride, setFeatureOverride } from "./entitlements.ts";
import { addAllowance, releaseUsage, trackUsage } from "./usage.ts";

const database = useDatabase();
const heard: string[] = [];
let unlisten: () => Promise<void>;
beforeAll(async () => {
  const listening = await database.admin.listen("ducat_cache", (text) => heard.push(text));
  unlisten = () => listening.unlisten();
});
afterAll(() => unlisten());

/** What is told to forget while something happens, each once. */
async function hear(run: () => Promise<unknown>): Promise<string[]> {
  const mark = `mark:${eventId()}`;
  const before = `before:${eventId()}`;
  await tell(before);
  await run();
  await tell(mark);
  const from = heard.findIndex((text) => text.includes(before));
  const to = heard.findIndex((text) => text.includes(mark));
  const tags = heard.slice(from + 1, to).flatMap((text) => JSON.parse(text) as string[]);
  return [...new Set(tags)].sort();
}

/** Notifications come in the order of their commits, so that this one ends a list. */
async function tell(mark: string): Promise<void> {
  await database.admin`SELECT pg_notify('ducat_cache', ${JSON.stringify([mark])})`;
  await expect.poll(() => heard.some((text) => text.includes(mark)), { interval: 5 }).toBe(true);
}

const features = { calls: limited(9), stamps: spent };
const makeOn = () => makeEntitled(database, features);

it("is told to everybody who remembers an account when its plan, passes or gifts change", async () => {
  const { id } = await makeOn();
  const { product } = await makeFeatured(database.admin, { features });
  const tag = [`entitlements:${id}`];
  const { app } = database;
  const plan = product.key;
  expect(await hear(() => assignPlan(app, id, { plan, audit }))).toEqual(tag);
  const override = { feature: "calls", audit };
  const set = () => setFeatureOverride(app, id, { ...override, value: 3 });
  expect(await hear(set)).toEqual(tag);
  expect(await hear(() => removeFeatureOverride(app, id, override))).toEqual(tag);
  const gift = { feature: "stamps", amount: 2, effectKey: eventId() };
  expect(await hear(() => addAllowance(app, id, gift))).toEqual(tag);
  expect(await hear(() => advanceClock(app, id, 60))).toEqual(tag);
  expect(await hear(() => givePass(database, id, { features }))).toEqual(["entitlements", ...tag]);
  for (const table of ["passes", "allowance_grants"]) {
    const revoke = () =>
      database.admin`UPDATE ${database.admin(`ducat.${table}`)} SET revoked_at = now()
        WHERE account_id = ${id}`;
    expect(await hear(revoke), table).toEqual(tag);
  }
  const cancel = () =>
    database.admin`UPDATE ducat.subscriptions SET cancel_at = now() WHERE account_id = ${id}`;
  expect(await hear(cancel)).toEqual(tag);
});

it("is told of all accounts when products or prices change, not when they are as before", async () => {
  const load = (catalog: string) => () => loadCatalog({ adminUrl: database.url, catalog });
  // The trial of new accounts is a setting, and changes with the catalog.
  expect(await hear(load("letters"))).toEqual(["entitlements", "settings"]);
  expect(await hear(load("letters"))).toEqual([]);
  expect(await hear(load("landscape"))).toEqual(["entitlements", "settings"]);
});

it("is not told by what moves credits, nor by what is used, nor by a fetch that shows nothing new", async () => {
  const { id } = await makeOn();
  const { app, worker, admin } = database;
  await addAllowance(app, id, { feature: "stamps", amount: 2, effectKey: eventId() });
  const spend = async () => {
    await givePurchase(app, id, 5);
    const made = await makeGeneration(app, id);
    await complete(worker, await claim(worker, id, made));
    for (const feature of ["calls", "stamps"]) {
      const event = { feature, amount: 1, eventId: eventId() };
      await trackUsage(app, id, event);
      await releaseUsage(app, id, event.eventId);
    }
    await admin`
      UPDATE ducat.subscriptions SET ticket = ticket + 1, fetched_at = now(), updated_at = now(),
        next_refill_at = now() + interval '1 day', status = status
      WHERE account_id = ${id}`;
  };
  expect(await hear(spend)).toEqual([]);
});

it("a new account tells nobody", async () => {
  expect(await hear(() => makeAccount(database.app))).toEqual([]);
});
