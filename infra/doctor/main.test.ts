import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeStage, type Stage } from "./test/stage.ts";

const script = fileURLToPath(new URL("main.ts", import.meta.url));

let stage: Stage;
beforeAll(async () => {
  stage = await makeStage();
});
afterAll(() => stage?.close());

/** Runs the command in a process of its own, with nothing from outside but what is given. */
function run(args: string[], more: Record<string, string> = {}) {
  const env = {
    ...{ PATH: process.env.PATH, DATABASE_URL: stage.database.url, DATA_DIR: stage.dir },
    // Empty, since a .env file fills in only what is not set.
    ...{ DIRECT_DATABASE_URL: "", S3_BUCKET: "", DUCAT_MODE: "" },
    ...more,
  };
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    const options = { env, timeout: 60_000 };
    execFile(process.execPath, ["--import", "tsx", script, ...args], options, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}

describe("pnpm doctor", () => {
  it("ends with 0 when nothing is wrong, with 1 and the rows when something is", async () => {
    const { admin } = stage.database;
    const only = ["--only", "I1,I3,I11"];
    const clean = await run([...only, "--deep"]);
    expect(clean).toMatchObject({ code: 0, err: "" });
    expect(clean.out).toMatch(/^Everything was looked at, and nothing is wrong\. \(6 accounts/);
    await admin`
      UPDATE ducat.credit_accounts SET held = held + 1 WHERE account_id = ${stage.person}`;
    const broken = await run([...only, "--json"]);
    expect(broken).toMatchObject({ code: 1, err: "" });
    expect(JSON.parse(broken.out)).toMatchObject({
      ok: false,
      findings: [{ check: "I1", rows: [{ account_id: stage.person }] }],
      skipped: [],
    });
  });

  it("ends with 2 and a clear word when it can't look", async () => {
    const refusals = await Promise.all([
      run(["--only", "I99"]),
      run(["--only", "I3"], { DATABASE_URL: "postgres://x@127.0.0.1:1/x" }),
    ]);
    expect(refusals.map(({ code, out, err }) => [code, out, err.trim()])).toEqual([
      [2, "", expect.stringContaining("--only has no check I99")],
      [2, "", expect.stringContaining("ECONNREFUSED")],
    ]);
  });
});
