import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { makeEmptyDatabase } from "../../packages/db/test/empty-database.ts";
import { useDatabase } from "../../packages/db/test/use-database.ts";
import type { ImportReport } from "./report.ts";

const database = useDatabase();
const people = 120;

/** `pnpm import` in a process of its own, with nothing from outside but the database. */
function start(args: string[]) {
  const child = spawn(
    process.execPath,
    ["--import", "tsx", join(import.meta.dirname, "main.ts"), ...args],
    {
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: database.url,
        DIRECT_DATABASE_URL: "",
        DUCAT_MODE: "test",
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const ended = new Promise<{ code: number | null; output: string; errors: string }>((resolve) =>
    child.on("close", (code) => resolve({ code, output, errors })),
  );
  return { child, ended };
}

async function makeFiles() {
  const former = await makeEmptyDatabase();
  await former.admin.unsafe(`
    CREATE TABLE users (id text PRIMARY KEY, email text, trial_credits int, email_verified boolean);
    CREATE TABLE token_accounts (user_id text UNIQUE, balance int);
    INSERT INTO users SELECT 'u' || n, 'u' || n || '@resume.example', n % 4, true
      FROM generate_series(1, ${people}) n;
    INSERT INTO token_accounts SELECT 'u' || n, n FROM generate_series(1, ${people}) n`);
  const folder = await mkdtemp(join(tmpdir(), "ducat-import-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const mapping = join(folder, "mapping.json");
  await writeFile(mapping, JSON.stringify({ source: "resume", system: "generation-api" }));
  return ["--source", former.url, "--mapping", mapping];
}

it("an import that is killed goes on where it was, and nobody is moved in twice", async () => {
  const args = await makeFiles();
  const countIn = async () => {
    const [row] = await database.admin`
      SELECT count(*) AS count FROM ducat.import_rows WHERE source = 'resume'`;
    return Number(row?.count);
  };
  const first = start([...args, "--batch", "1"]);
  await expect.poll(countIn, { timeout: 30_000, interval: 10 }).toBeGreaterThan(5);
  first.child.kill("SIGKILL");
  await first.ended;
  const before = await countIn();
  expect(before).toBeLessThan(people);
  const { code, output, errors } = await start([...args, "--json"]).ended;
  expect(errors).toBe("");
  expect(code).toBe(0);
  const report: ImportReport = JSON.parse(output);
  expect(report.people).toMatchObject({ create: people - before, equal: before });
  const purchase = (people * (people + 1)) / 2;
  const trial = (people / 4) * 6;
  expect(report.credits.here).toEqual({ trial, purchase });
  const [sum] = await database.admin`
    SELECT sum(available) AS available FROM ducat.credit_accounts c
    JOIN ducat.import_rows r USING (account_id)`;
  expect(Number(sum?.available)).toBe(trial + purchase);
});

it("what can't be run says so in a line, and ends with 2", async () => {
  const { code, output, errors } = await start(["--mapping", "/nowhere/at/all.json"]).ended;
  expect({ code, output }).toEqual({ code: 2, output: "" });
  expect(errors).toMatch(/^ENOENT.*all\.json'\n$/);
});
