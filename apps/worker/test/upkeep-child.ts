/** Upkeep in a process of its own, for a test that kills it after its third batch. */
import { connectDatabase } from "@ducat/db/connect";
import { forgetEvents } from "@ducat/db/purges";
import { noMeter } from "../src/upkeep/meter.ts";
import { runWalk } from "../src/upkeep/run-purge.ts";
import { startUpkeep } from "../src/upkeep/start-upkeep.ts";

const [databaseUrl = "", name = "", leaseMs = "0"] = process.argv.slice(2);
const db = connectDatabase({ url: databaseUrl, role: "ducat_worker" });
const log = { info() {}, warn() {}, error() {} };
const timings = { pollMs: 20, leaseMs: Number(leaseMs), sliceMs: 60_000, noteMs: 60_000 };

const forget = runWalk(forgetEvents, 10);
let batches = 0;
startUpkeep({ db, log, meter: noMeter, timings: { ...timings, registerMs: 60_000 } }, [
  {
    name,
    everyMs: 60_000,
    async run(context) {
      const batch = await forget(context);
      batches += 1;
      process.send?.({ batches, done: batch.done });
      // What was removed is not told to the runner, and never will be.
      if (batches === 3) await new Promise(() => undefined);
      return batch;
    },
  },
]);
