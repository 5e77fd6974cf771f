import { describe, expect, it } from "vitest";
import { eventId, held, limited, makeEntitled, spent } from "../test/entitlement-factories.ts";
import { refusalOf } from "../test/outcome.ts";
import { openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { findEntitlements } from "./entitlements.ts";
import { addAllowance, listUsage, releaseUsage, removeOldUsage, trackUsage } from "./usage.ts";

const database = useDatabase();
const features = { calls: limited(5), seats: held(5), letters: spent };

const track = (id: string, feature: string, event = eventId()) =>
  trackUsage(database.app, id, { feature, amount: 2, eventId: event });

/** Moves all that an account has used so many days back. */
async function age(id: string, days: number) {
  await database.admin`
    UPDATE ducat.usage_logs SET created_at = created_at - make_interval(days => ${days}),
      period_start = period_start - make_interval(days => ${days}) WHERE account_id = ${id}`;
  await database.admin`
    UPDATE ducat.usage_counters SET period_start = period_start - make_interval(days => ${days})
    WHERE account_id = ${id}`;
}
const counters = (id: string) =>
  database.admin`SELECT feature FROM ducat.usage_counters WHERE account_id = ${id} ORDER BY 1`;
const remove = (limit = 1_000) => removeOldUsage(database.worker, limit);

describe("what was used", () => {
  it("is remembered for 400 days, counters until their period is over for as long", async () => {
    const { id } = await makeEntitled(database, features);
    const event = eventId();
    await track(id, "calls", event);
    await age(id, 399);
    expect(await remove()).toEqual({ events: 0, counters: 0 });
    expect(await track(id, "calls", event)).toMatchObject({ replayed: true });
    await age(id, 2);
    expect(await remove()).toMatchObject({ events: 1 });
    expect(await refusalOf(releaseUsage(database.app, id, event))).toMatchObject({ what: "usage" });
    await age(id, 62);
    expect(await remove()).toEqual({ events: 0, counters: 1 });
    expect(await track(id, "calls", event)).toMatchObject({ replayed: false, used: 2 });
  });

  it("stays while its places are held, and so do places themselves", async () => {
    const { id } = await makeEntitled(database, features);
    const [kept, released] = [eventId(), eventId()];
    await track(id, "seats", kept);
    await track(id, "seats", released);
    await releaseUsage(database.app, id, released);
    await age(id, 900);
    expect(await remove()).toEqual({ events: 1, counters: 0 });
    expect(await listUsage(database.app, id, { limit: 9 })).toMatchObject([{ event_id: kept }]);
    expect(await counters(id)).toEqual([{ feature: "seats" }]);
    expect(await releaseUsage(database.app, id, kept)).toMatchObject({ returned: 2, used: 0 });
    const { features: found } = await findEntitlements(database.app, id);
    expect(found.seats).toMatchObject({ used: 0 });
    expect(await remove()).toMatchObject({ events: 1 });
  });

  it("goes in batches, the oldest first, and leaves what others are at", async () => {
    const { id } = await makeEntitled(database, features);
    const give = { feature: "letters", amount: 9, effectKey: "nine" };
    await addAllowance(database.app, id, give);
    const [oldest, busy, last] = [eventId(), eventId(), eventId()];
    for (const event of [oldest, busy, last]) {
      await age(id, 401);
      await track(id, "letters", event);
    }
    await age(id, 401);
    expect(await remove(1)).toMatchObject({ events: 1 });
    expect(await listUsage(database.app, id, { limit: 9 })).toMatchObject([
      { event_id: last },
      { event_id: busy },
    ]);
    const [app] = await openSessions(database.url, "ducat_app", 1);
    await app?.begin(async (tx) => {
      await tx`SELECT ducat.release_usage(${id}, ${busy})`;
      expect(await remove()).toMatchObject({ events: 1 });
    });
    expect(await remove()).toMatchObject({ events: 1 });
    const { features: found } = await findEntitlements(database.app, id);
    expect(found.letters).toMatchObject({ granted: 9, remaining: 5 });
  });
});

it("a release after its counter is gone gives nothing back, and says so", async () => {
  const { id } = await makeEntitled(database, features);
  const event = eventId();
  await track(id, "calls", event);
  await database.admin`DELETE FROM ducat.usage_counters WHERE account_id = ${id}`;
  expect(await releaseUsage(database.app, id, event)).toMatchObject({ used: 0, remaining: 5 });
});
