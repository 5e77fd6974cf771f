import { DomainError } from "@ducat/types/errors";
import { describe, expect, it } from "vitest";
import { makeAccount } from "../test/factories.ts";
import { refusalOf } from "../test/outcome.ts";
import { useDatabase } from "../test/use-database.ts";
import { connectDatabase } from "./connect.ts";
import { consumeCredits, findBalance } from "./credits.ts";
import { ask } from "./errors.ts";

const database = useDatabase();

describe("a connection", () => {
  it("acts as its role, within limits of time, in UTC", async () => {
    const [row] = await database.app`
      SELECT current_user::text AS who, current_setting('TimeZone') AS zone,
        current_setting('statement_timeout') AS statement,
        current_setting('lock_timeout') AS lock,
        current_setting('idle_in_transaction_session_timeout') AS idle,
        current_setting('application_name') AS name`;
    expect(row).toEqual({
      who: "ducat_app",
      zone: "UTC",
      statement: "1min",
      lock: "10s",
      idle: "1min",
      name: "ducat_app",
    });
  });

  it("hands whole numbers over as numbers, and refuses one that would lose digits", async () => {
    const [row] = await database.app`
      SELECT 9007199254740991 AS most, -3::bigint AS less, count(*) AS none FROM ducat.accounts
      WHERE false`;
    expect(row).toEqual({ most: 9_007_199_254_740_991, less: -3, none: 0 });
    const more = database.app`SELECT 9007199254740993 AS more`;
    await expect(more).rejects.toThrow("beyond 2^53");
    expect(await database.app`SELECT 1 AS still`).toEqual([{ still: 1 }]);
  });
});

describe("ask", () => {
  it("tells a busy database as unavailable", async () => {
    const { id } = await makeAccount(database.app);
    const pool = connectDatabase({ url: database.url, role: "ducat_app", max: 1 });
    await pool`SET lock_timeout = '20ms'`;
    const holder = await database.admin.reserve();
    await holder`BEGIN`;
    await holder`SELECT FROM ducat.credit_accounts WHERE account_id = ${id} FOR UPDATE`;
    const spend = { key: "k", fingerprint: Buffer.from("k"), amount: 1 };
    expect(await refusalOf(consumeCredits(pool, id, spend))).toEqual({ code: "unavailable" });
    await holder`ROLLBACK`;
    holder.release();
    // A refusal of that kind has changed nothing: the same call goes through now.
    expect(await consumeCredits(pool, id, spend)).toMatchObject({ available: 2, replayed: false });
    await pool.end();
  });

  it("tells an unreachable or restarting database as unavailable", async () => {
    const nowhere = connectDatabase({ url: "postgres://x:y@127.0.0.1:1/x", role: "ducat_app" });
    const unreachable = refusalOf(findBalance(nowhere, "00000000-0000-4000-8000-000000000000"));
    expect(await unreachable).toEqual({ code: "unavailable" });
    await nowhere.end({ timeout: 1 });
    const pool = connectDatabase({ url: database.url, role: "ducat_app", max: 1 });
    const [session] = await pool`SELECT pg_backend_pid() AS pid`;
    const waiting = refusalOf(ask(pool`SELECT pg_sleep(10)`));
    await expect
      .poll(
        () => database.admin`SELECT pg_terminate_backend(${session?.pid}) FROM pg_stat_activity
          WHERE pid = ${session?.pid} AND state = 'active'`,
      )
      .toHaveLength(1);
    expect(await waiting).toEqual({ code: "unavailable" });
    // The pool connects again by itself, once it has seen the old connection close.
    await expect.poll(() => ask(pool`SELECT 1 AS again`).catch(() => [])).toEqual([{ again: 1 }]);
    await pool.end();
  });

  it("leaves a fault of ours as it is", async () => {
    const fault = await ask(database.app`SELECT 1 / 0`).catch((error: unknown) => error);
    expect(fault).not.toBeInstanceOf(DomainError);
    expect(fault).toMatchObject({ code: "22012" });
  });
});
