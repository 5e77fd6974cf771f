/**
 * `pnpm recount [--from 2026-11-01] [--to 2026-11-21] [--repair] [--json]`: compares the roll-ups
 * of these days (UTC; the last three and today where none are named) with the rows they were made
 * of, and prints what differs. `--repair` has the days that differ summed up anew by the workers.
 * Ends with 0 when nothing differs, 1 when something does, 2 when the database could not be asked.
 */
import { parseArgs } from "node:util";
import { connectDatabase } from "../../packages/db/src/connect.ts";
import { type Recount, recountDay } from "../../packages/db/src/recount.ts";
import { markDays } from "../../packages/db/src/rollups.ts";
import { requireUrl, runCommand } from "./command.ts";

const dayMs = 86_400_000;
const mostDays = 400;

await runCommand(async (settings) => {
  const day = { type: "string" } as const;
  const yes = { type: "boolean", default: false } as const;
  const { values } = parseArgs({ options: { from: day, to: day, repair: yes, json: yes } });
  const days = listDays(values);
  const url = requireUrl(settings);
  const db = connectDatabase({ url, role: "ducat_worker", name: "ducat recount", max: 1 });
  try {
    // A day of a busy deployment takes as long as summing it up did.
    await db`SET statement_timeout = '10min'`;
    let differs = false;
    for (const day of days) {
      const found = await recountDay(db, day);
      console.log(values.json ? JSON.stringify(found) : toText(found));
      if (found.differences.length === 0) continue;
      differs = true;
      if (values.repair) await markDays(db, { from: day, to: day, reason: "recount" });
    }
    return differs ? 1 : 0;
  } finally {
    await db.end({ timeout: 5 });
  }
});

function listDays({ from, to }: { from?: string | undefined; to?: string | undefined }): string[] {
  const last = readDay("--to", to) ?? Date.parse(new Date().toISOString().slice(0, 10));
  const first = readDay("--from", from) ?? last - 3 * dayMs;
  const count = (last - first) / dayMs + 1;
  if (count < 1 || count > mostDays) throw new Error(`Ask for 1 to ${mostDays} days.`);
  return Array.from({ length: count }, (_, n) =>
    new Date(first + n * dayMs).toISOString().slice(0, 10),
  );
}

function readDay(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const at = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw new Error(`${name} is "${text}"; it is a day as in 2026-11-21.`);
}

function toText({ day, state, skipped, differences }: Recount): string {
  const waiting = skipped > 0 ? `, ${skipped} accounts are to be summed up anew` : "";
  const lines = differences.map(({ what, account_id, key, rolled, raw }) => {
    const whose = account_id ? ` of ${account_id}` : "";
    const [is, shouldBe] = [JSON.stringify(rolled), JSON.stringify(raw)];
    return `  ${what}${whose} ${JSON.stringify(key)}: ${is} should be ${shouldBe}`;
  });
  return [`${day} ${state}: ${differences.length} differ${waiting}`, ...lines].join("\n");
}
