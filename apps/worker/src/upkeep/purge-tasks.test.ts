import { claimUpkeepTask, registerUpkeepTasks } from "@ducat/db/upkeep";
import { expect, it } from "vitest";
import { makeAccount } from "../../../../packages/db/test/factories.ts";
import { useDatabase } from "../../../../packages/db/test/use-database.ts";
import { runTask } from "../../test/run-task.ts";
import { noMeter } from "./meter.ts";
import { listPurges } from "./purge-tasks.ts";
import { runClaimed } from "./run-claimed.ts";

const database = useDatabase();

const purges = listPurges({ purgeMs: 3_600_000, walkMs: 86_400_000 });
function findPurge(wanted: string) {
  const task = purges.find(({ name }) => name === wanted);
  if (!task) throw new Error("no such task");
  return task;
}

it("a run forgets all that is old, in as many batches as it takes", async () => {
  const { id } = await makeAccount(database.app);
  await database.admin`
    INSERT INTO ducat.usage_logs (account_id, event_id, feature, amount, created_at)
    SELECT ${id}, n, 'calls', 1, now() - interval '401 days' FROM generate_series(1, 2500) n`;
  const forget = findPurge("forget-usage");
  expect(await runTask(database.worker, forget.run)).toBe(2_500);
  expect(await runTask(database.worker, forget.run)).toBe(0);
});

it("a walk through a table that was cut short goes on at its place", async () => {
  const ids: string[] = [];
  for (let n = 0; n < 3; n += 1) ids.push((await makeAccount(database.app)).id);
  await database.admin`
    INSERT INTO ducat.outbox (account_id, id, type, data, created_at)
    SELECT id, ducat.uuid_at(at), 'credits.granted', '{}', at
    FROM ducat.accounts, (VALUES (clock_timestamp() - interval '32 days')) AS v (at)
    WHERE id = ANY (${ids}::uuid[])`;
  const walk = findPurge("forget-events");
  const row = { name: walk.name, about: "", everySeconds: 60, isParallel: false };
  await registerUpkeepTasks(database.worker, [row]);
  // As whoever died after the second account left it.
  const [, second] = ids.sort();
  await database.admin`
    UPDATE ducat.upkeep_tasks SET cursor = to_jsonb(${second ?? ""}::text), is_open = true,
      next_due_at = clock_timestamp() WHERE name = ${walk.name}`;
  const claim = await claimUpkeepTask(database.worker, [walk.name], 60);
  if (!claim) throw new Error("nothing to claim");
  const log = { info() {}, warn() {}, error() {} };
  const closing = new AbortController().signal;
  const deps = { db: database.worker, log, meter: noMeter, leaseMs: 60_000, sliceMs: 60_000 };
  await runClaimed({ ...deps, closing }, walk, claim).ended;
  const count = async () => {
    const [{ left } = { left: -1 }] = await database.admin<{ left: number }[]>`
      SELECT count(*)::int AS left FROM ducat.outbox
      WHERE account_id = ANY (${ids}::uuid[]) AND created_at < now() - interval '31 days'`;
    return left;
  };
  expect(await count()).toBe(2);
  expect(await runTask(database.worker, walk.run)).toBe(2);
  expect(await count()).toBe(0);
});
