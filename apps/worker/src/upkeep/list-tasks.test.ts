import { listUpkeepTasks } from "@ducat/db/upkeep";
import { createSeal } from "@ducat/messages/seal";
import { createPaymentDeps } from "@ducat/payments/providers";
import { createDiskBlobs } from "@ducat/storage/disk";
import { expect, it } from "vitest";
import { useDatabase } from "../../../../packages/db/test/use-database.ts";
import { eventually } from "../../test/stage.ts";
import { defaultTimings } from "../timings.ts";
import { listTasks } from "./list-tasks.ts";
import { noMeter } from "./meter.ts";
import { startUpkeep } from "./start-upkeep.ts";

const database = useDatabase();
const log = { info() {}, warn() {}, error() {} };

function listAll() {
  const secretKeys = ["s".repeat(32)];
  const money = { db: database.worker, mode: "test", publicUrl: "http://127.0.0.1:1" } as const;
  return listTasks({
    ...{ db: database.worker, log, at: () => undefined, dropUsage: async () => {} },
    queue: { add: async () => {} },
    bus: { publish() {} },
    blobs: createDiskBlobs({ dir: "/nowhere" }),
    payments: createPaymentDeps({}, { ...money, secretKeys, log }),
    messages: { senders: {}, seal: createSeal(secretKeys) },
    timings: defaultTimings,
  });
}

it("every task of a worker is explained, and done well on a database where nothing is due", async () => {
  const tasks = listAll();
  for (const { about, name } of tasks) expect(about, name).toMatch(/^[A-Z].*\.$/);
  const upkeep = { ...defaultTimings.upkeep, pollMs: 10, noteMs: 50 };
  const worker = startUpkeep({ db: database.worker, log, meter: noMeter, timings: upkeep }, tasks);
  try {
    await eventually(async () => {
      await database.admin`
        UPDATE ducat.upkeep_tasks SET next_due_at = clock_timestamp()
        WHERE runs = 0 AND lease_until IS NULL AND NOT is_parallel`;
      const rows = await listUpkeepTasks(database.worker);
      expect(rows.map(({ name }) => name)).toEqual(tasks.map(({ name }) => name).sort());
      const undone = rows.filter(({ ok_at }) => ok_at === null);
      expect(undone.map(({ name, error }) => `${name}: ${error}`)).toEqual([]);
    });
  } finally {
    await worker.stop();
  }
});
