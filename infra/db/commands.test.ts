import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Cluster, startCluster } from "../dev/cluster.ts";
import { migrateAll } from "./migrate-all.ts";

let cluster: Cluster;
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ducat-commands-"));
  cluster = await startCluster({ dir, fsync: false });
});
afterAll(async () => {
  await cluster?.stop("immediate");
  await rm(dir, { recursive: true, force: true });
});

const at = (database: string, user?: string, password = "") =>
  Object.assign(
    new URL(cluster.url),
    { pathname: `/${database}` },
    user && { username: user, password },
  ).href;

/** Runs a command in a process of its own, with nothing from outside but what is given. */
function run(command: string, env: Record<string, string>, ...args: string[]) {
  const script = fileURLToPath(new URL(`${command}.ts`, import.meta.url));
  return new Promise<{ code: number; output: string }>((resolve) => {
    execFile(
      process.execPath,
      ["--import", "tsx", script, ...args],
      // Empty, since a .env file fills in only what is not set.
      {
        env: { PATH: process.env.PATH, DIRECT_DATABASE_URL: "", QUEUE_URL: "", ...env },
        timeout: 60_000,
      },
      (error, out, err) =>
        resolve({ code: typeof error?.code === "number" ? error.code : 0, output: out + err }),
    );
  });
}

/** A server whose administrator may make roles and owns two databases, and nothing more. */
async function makeShops(): Promise<{ DATABASE_URL: string }[]> {
  const server = postgres(cluster.url, { max: 1 });
  await server.unsafe("CREATE ROLE operator LOGIN CREATEROLE PASSWORD 'secret'");
  for (const name of ["shop", "other_shop"]) {
    await server.unsafe(`CREATE DATABASE ${name} OWNER operator`);
  }
  await server.end();
  return ["shop", "other_shop"].map((name) => ({ DATABASE_URL: at(name, "operator", "secret") }));
}

describe("db:migrate and db:status", () => {
  it("serve an administrator who is no superuser, also several at once", async () => {
    const [shop = {}, otherShop = {}] = await makeShops();
    const before = await run("status", shop);
    expect(before.code).toBe(1);
    expect(before.output).toContain("pending        0000_foundation");
    const all = await Promise.all([shop, shop, otherShop].map((env) => run("migrate", env)));
    expect(all).toMatchObject([{ code: 0 }, { code: 0 }, { code: 0 }]);
    expect(
      all
        .map(({ output }) => output)
        .join("")
        .match(/^applied 0000/gm),
    ).toHaveLength(2);
    const after = await run("status", shop, "--json");
    expect(after.code).toBe(0);
    expect(JSON.parse(after.output)).toMatchObject({ ok: true, pending: [] });
    const again = await run("migrate", { ...shop, DUCAT_APP_PASSWORD: "chosen outside" });
    expect(again.output).toBe("up to date\n");
    const app = postgres(at("shop", "ducat_app", encodeURIComponent("chosen outside")), { max: 1 });
    expect(await app`SELECT current_user::text AS who`).toEqual([{ who: "ducat_app" }]);
    await app.end();
  });

  it("leave a database that the roles can log in to, within limits of time", async () => {
    const server = postgres(cluster.url, { max: 1 });
    await server.unsafe("CREATE DATABASE logins");
    await server.end();
    const passwords = { ducat_app: "a'b", ducat_worker: "w", ducat_queue: "q" };
    await migrateAll({ adminUrl: at("logins"), passwords, log: () => {} });
    const app = postgres(at("logins", "ducat_app", encodeURIComponent("a'b")), { max: 1 });
    const [row] = await app`
      SELECT current_user::text AS who, current_setting('statement_timeout') AS statement,
        current_setting('lock_timeout') AS lock, current_setting('TimeZone') AS zone,
        current_setting('idle_in_transaction_session_timeout') AS idle,
        (SELECT count(*)::int FROM ducat.styles) > 0 AS seeded,
        to_regclass('bullmq.job') IS NOT NULL AS queue`;
    await app.end();
    expect(row).toEqual({
      who: "ducat_app",
      statement: "1min",
      lock: "10s",
      idle: "1min",
      zone: "UTC",
      seeded: true,
      queue: true,
    });
  });

  it("say in one line what is wrong, with exit code 2", async () => {
    const none = await run("migrate", { DATABASE_URL: "", REDIS_URL: "" });
    expect(none).toMatchObject({ code: 2, output: expect.stringMatching(/^Set DIRECT_.*\n$/) });
    const closed = await run("status", { DATABASE_URL: "postgres://x@127.0.0.1:1/x" });
    expect(closed).toMatchObject({ code: 2, output: expect.stringMatching(/ECONNREFUSED.*\n$/) });
  });
});
