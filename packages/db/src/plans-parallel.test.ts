import { expect, it } from "vitest";
import { eventId, makeEntitled, spent } from "../test/entitlement-factories.ts";
import { openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { waitForLocks } from "../test/wait.ts";
import type { Db } from "./connect.ts";
import { advanceClock } from "./credits.ts";
import { refillAccount } from "./refills.ts";
import { trackUsage } from "./usage.ts";

const database = useDatabase();
const day = 86_400;

it("a month that caps what rolls over takes no more for what is used meanwhile", async () => {
  const more = { allowances: { stamps: 5 }, rollover: "capped" as const, rollover_cap: 2 };
  const { id } = await makeEntitled(database, { stamps: spent }, more);
  await advanceClock(database.app, id, 32 * day);
  const [app] = (await openSessions(database.url, "ducat_app", 1)) as [Db];
  const refilling = await app.begin(async (tx) => {
    await trackUsage(tx as unknown as Db, id, { feature: "stamps", amount: 4, eventId: eventId() });
    const months = refillAccount(database.worker, id);
    await waitForLocks(database.admin);
    return { months };
  });
  expect(await refilling.months).toBe(1);
  const [left] = await database.admin`
    SELECT sum(remaining)::int AS n FROM ducat.allowance_grants WHERE account_id = ${id}`;
  expect(left).toEqual({ n: 6 });
});
