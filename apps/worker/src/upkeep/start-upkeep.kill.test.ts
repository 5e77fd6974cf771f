import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { forgetEvents } from "@ducat/db/purges";
import { listUpkeepTasks } from "@ducat/db/upkeep";
import { expect, it } from "vitest";
import { makeAccount } from "../../../../packages/db/test/factories.ts";
import { useDatabase } from "../../../../packages/db/test/use-database.ts";
import { eventually } from "../../test/stage.ts";
import { noMeter } from "./meter.ts";
import { runWalk } from "./run-purge.ts";
import { startUpkeep } from "./start-upkeep.ts";
import type { Task } from "./task.ts";

const database = useDatabase();
const root = fileURLToPath(new URL("../../../..", import.meta.url));
const entry = fileURLToPath(new URL("../../test/upkeep-child.ts", import.meta.url));
const leaseMs = 1_500;
const name = "forget-events";

/** Twenty accounts with five old events and a new one each. */
async function fill(): Promise<void> {
  for (let n = 0; n < 20; n += 1) {
    const { id } = await makeAccount(database.app);
    await database.admin`
      INSERT INTO ducat.outbox (account_id, id, type, data, created_at)
      SELECT ${id}, ducat.uuid_at(at + make_interval(secs => n)), 'credits.granted', '{}', at
      FROM (VALUES (clock_timestamp() - interval '40 days')) AS v (at), generate_series(1, 5) n`;
  }
}

async function count() {
  const [row] = await database.admin`
    SELECT count(*) FILTER (WHERE created_at < now() - interval '31 days')::int AS old,
      count(*)::int AS all
    FROM ducat.outbox`;
  return row;
}

it("what a worker was at when it was killed, the next one finishes, from where it was", async () => {
  await fill();
  const young = (await count())?.all - 100;
  const child = spawn(
    process.execPath,
    ["--import", "tsx", entry, database.url, name, String(leaseMs)],
    { cwd: root, stdio: ["ignore", "inherit", "inherit", "ipc"] },
  );
  const ended = once(child, "exit");
  let batches = 0;
  child.on("message", (message: { batches: number }) => {
    ({ batches } = message);
    if (batches === 3) child.kill("SIGKILL");
  });
  await eventually(() =>
    database.admin`
      UPDATE ducat.upkeep_tasks SET next_due_at = clock_timestamp()
      WHERE name = ${name}`.then(({ count: found }) => expect(found).toBe(1)),
  );
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(await count()).toEqual({ old: 70, all: young + 70 });

  const cursors: unknown[] = [];
  const walk = runWalk(forgetEvents, 10);
  const task: Task = {
    name,
    everyMs: 60_000,
    run(context) {
      cursors.push(context.cursor);
      return walk(context);
    },
  };
  const timings = { pollMs: 50, leaseMs, sliceMs: 60_000, noteMs: 60_000, registerMs: 60_000 };
  const log = { info() {}, warn() {}, error() {} };
  const next = startUpkeep({ db: database.worker, log, meter: noMeter, timings }, [task]);
  const read = async () => (await listUpkeepTasks(database.worker)).find((t) => t.name === name);
  try {
    await eventually(async () => expect(await read()).toMatchObject({ runs: 1, state: "idle" }));
  } finally {
    await next.stop();
  }
  expect(cursors[0]).toEqual(expect.any(String));
  expect(await count()).toEqual({ old: 0, all: young });
  // The batch that nobody could tell of was done, and is not in the count.
  expect(await read()).toMatchObject({ done: 90, failures: 0 });
});
