import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { rollUpAll } from "../../packages/db/test/check-rollups.ts";
import { makeAccount } from "../../packages/db/test/factories.ts";
import { useDatabase } from "../../packages/db/test/use-database.ts";

const database = useDatabase();

function recount(...args: string[]) {
  const script = fileURLToPath(new URL("recount.ts", import.meta.url));
  const env = { PATH: process.env.PATH, DIRECT_DATABASE_URL: database.url, QUEUE_URL: "" };
  return new Promise<{ code: number; output: string }>((resolve) => {
    const command = ["--import", "tsx", script, ...args];
    execFile(process.execPath, command, { env, timeout: 60_000 }, (error, out, err) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, output: out + err }),
    );
  });
}

it("pnpm recount prints what differs, ends with 1, and has it mended where it is asked to", async () => {
  const { app, worker, admin } = database;
  await makeAccount(app);
  await admin`INSERT INTO ducat.rollup_days (day) SELECT ducat.utc_day() - 5`;
  await rollUpAll(worker);
  const [row] = await admin<{ day: string }[]>`
    INSERT INTO ducat.stat_rollups VALUES (ducat.utc_day() - 5, 24, 'debt', '{}', 7)
    RETURNING day::text`;
  const day = row?.day ?? "";
  const found = await recount("--from", day, "--to", day, "--repair");
  expect(found).toMatchObject({ code: 1 });
  expect(found.output).toContain(`${day} final: 1 differ`);
  expect(found.output).toContain('"name":"debt"');
  await rollUpAll(worker);
  const clean = await recount("--from", day, "--to", day, "--json");
  expect({ ...clean, output: JSON.parse(clean.output) }).toEqual({
    code: 0,
    output: { day, state: "final", skipped: 0, differences: [] },
  });
  expect((await recount("--from", "yesterday")).code).toBe(2);
});
