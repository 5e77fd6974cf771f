import { describe, expect, it } from "vitest";
import { makeAccount } from "../test/factories.ts";
import { readInterleaved } from "../test/interleave.ts";
import { useDatabase } from "../test/use-database.ts";
import { connectDatabase } from "./connect.ts";
import { withAccount } from "./with-account.ts";

const database = useDatabase();

describe("withAccount", () => {
  it("shows the rows of its account, however the reader is written", async () => {
    const { id } = await makeAccount(database.app);
    await makeAccount(database.app);
    const lazy = await withAccount(
      database.app,
      id,
      (sql) => sql<{ id: string }[]>`SELECT id FROM ducat.accounts`,
    );
    expect(lazy).toEqual([{ id }]);
    const eager = await withAccount(database.app, id, async (sql) => {
      const rows = await sql`SELECT id FROM ducat.accounts`;
      return [...rows, ...(await sql`SELECT account_id AS id FROM ducat.credit_accounts`)];
    });
    expect(eager).toEqual([{ id }, { id }]);
  });

  it("leaves nothing behind on a connection of the pool", async () => {
    const { id } = await makeAccount(database.app);
    const pool = connectDatabase({ url: database.url, role: "ducat_app", max: 1 });
    const current = async () => (await pool`SELECT ducat.current_account() AS id`)[0]?.id;
    await withAccount(pool, id, (sql) => sql`SELECT`);
    expect(await current()).toBeNull();
    await withAccount(pool, id, (sql) => sql`SELECT 1 / 0`).catch(() => undefined);
    expect(await current()).toBeNull();
    expect(await pool`SELECT FROM ducat.accounts`).toHaveLength(0);
    await pool.end();
  });

  it("never shows a row of another account in 2,000 interleaved reads", async () => {
    const { leaks, seen } = await readInterleaved(database, 2_000);
    expect(leaks).toEqual([]);
    expect(seen).toBeGreaterThan(1_000);
  });

  it("refuses to write a row for another account", async () => {
    const [mine, other] = [await makeAccount(database.app), await makeAccount(database.app)];
    const insert = (accountId: string) =>
      withAccount(
        database.app,
        mine.id,
        (sql) => sql`
          INSERT INTO ducat.blobs (account_id, key, sha256, type, size, purpose)
          VALUES (${accountId}, ${`${accountId}/x`}, 'x', 'x', 1, 'input')`,
      );
    await insert(mine.id);
    await expect(insert(other.id)).rejects.toThrow("row-level security");
  });
});
