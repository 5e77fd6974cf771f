import { expect, it } from "vitest";
import { makeAccount } from "../../../../packages/db/test/factories.ts";
import { useDatabase } from "../../../../packages/db/test/use-database.ts";
import { removeOldUsageDue } from "./forget-usage.ts";

const database = useDatabase();

async function fill(events: number): Promise<void> {
  const { id } = await makeAccount(database.app);
  await database.admin`
    INSERT INTO ducat.usage_logs (account_id, event_id, feature, amount, created_at)
    SELECT ${id}, n, 'calls', 1, now() - interval '401 days' FROM generate_series(1, ${events}) n`;
}

it("a round forgets all that is old, in as many batches as it takes", async () => {
  await fill(2_500);
  const { signal } = new AbortController();
  expect(await removeOldUsageDue(database.worker, signal)).toBe(2_500);
  expect(await removeOldUsageDue(database.worker, signal)).toBe(0);
});

it("a round that is told to stop begins nothing", async () => {
  await fill(1);
  expect(await removeOldUsageDue(database.worker, AbortSignal.abort())).toBe(0);
});
