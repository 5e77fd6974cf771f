import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cloneDatabase, type TestDatabase } from "../test/clone.ts";
import { createRandom } from "../test/raw-rows.ts";
import {
  type FoundGeneration,
  type GenerationSearch,
  searchGenerations,
} from "./admin-generations.ts";
import { readAll, readPage } from "./slices.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await cloneDatabase();
});
afterAll(() => db.close());

type Row = { account_id: string; id: string; at: string; status: string; style: string; n: number };
const accounts = [randomUUID(), randomUUID(), randomUUID()];

/** Generations that came in crowds and after long pauses, some in the very same microsecond. */
async function writeGenerations(seed: number): Promise<Row[]> {
  const { int, pick, chance } = createRandom(seed);
  await db.admin`TRUNCATE ducat.generations, ducat.generation_items`;
  let us = Date.now() * 1000 - 60_000_000;
  const rows: Row[] = [];
  for (let n = 0; n < 200; n++) {
    us -= pick([0, 1, 999, 3_600_000_000, int(1, 2_000_000), chance(0.03) ? 3e13 : 500]);
    const at = `${Math.floor(us / 1e6)}.${String(us % 1e6).padStart(6, "0")}`;
    const [status, style] = [pick(["completed", "failed", "canceled"]), pick(["a", "b"])];
    rows.push({ account_id: pick(accounts as [string]), id: randomUUID(), at, status, style, n });
  }
  await db.admin`
    INSERT INTO ducat.generations (account_id, id, idempotency_key, fingerprint, style_id,
      style_version, kind, input, params, metadata, status, item_count, open_items, failed_items,
      cost, trial_cost, balance_after, deadline_at, completed_at, created_at)
    SELECT account_id, id, 'k' || n, '\\x00', style, 1, 'text', '{"prompt": "secret"}', '{}', '{}',
      status::ducat.item_status, 1, 0, 0, 0, 0, 0, now(), now(), to_timestamp(at::numeric)
    FROM json_to_recordset(${JSON.stringify(rows)}::text::json)
      AS r (account_id uuid, id uuid, at text, status text, style text, n int)`;
  await db.admin`
    INSERT INTO ducat.generation_items (account_id, generation_id, position, status, due_at, cost,
      cost_from, error_code)
    SELECT account_id, id, 0, status, now(), 0, 0,
      CASE status WHEN 'failed' THEN 'generator_' || style_id END FROM ducat.generations`;
  return rows.sort((a, b) => Number(b.at) - Number(a.at) || (a.id < b.id ? 1 : -1));
}

async function turnPages(search: GenerationSearch, limit: number): Promise<string[]> {
  const found: FoundGeneration[] = [];
  let before: string | undefined;
  do {
    // A list of its own for each page, as for requests.
    const page = await readPage(searchGenerations(db.app, search), { before, limit });
    found.push(...page.rows);
    before = page.next;
  } while (before !== undefined);
  return found.map(({ id }) => id);
}

async function readFile(search: GenerationSearch): Promise<string[]> {
  const ids: string[] = [];
  for await (const rows of readAll(searchGenerations(db.app, search))) {
    ids.push(...rows.map(({ id }) => id));
  }
  return ids;
}

describe("generations of every account", () => {
  it.each([1, 2])("come in the order of their time, each once (seed %s)", async (seed) => {
    const rows = await writeGenerations(seed);
    const ids = rows.map(({ id }) => id);
    expect(await turnPages({}, 37)).toEqual(ids);
    expect(await readFile({})).toEqual(ids);
    const to = new Date(Number(rows[50]?.at) * 1000);
    const from = new Date(Number(rows[150]?.at) * 1000);
    const searches: [GenerationSearch, (row: Row) => boolean][] = [
      [{ status: "failed" }, (row) => row.status === "failed"],
      [{ style: "a", status: "completed" }, (r) => r.style === "a" && r.status === "completed"],
      [{ errorCode: "generator_b" }, (row) => row.style === "b" && row.status === "failed"],
      [{ to }, (row) => Number(row.at) * 1000 < to.getTime()],
      [{ from, to }, (r) => Number(r.at) * 1000 >= from.getTime() && Number(r.at) * 1000 < +to],
    ];
    for (const [search, fits] of searches) {
      const expected = rows.filter(fits).map(({ id }) => id);
      expect([search, await turnPages(search, 20)]).toEqual([search, expected]);
      expect([search, await readFile(search)]).toEqual([search, expected]);
    }
  });

  it("of one account come in the order of their ids", async () => {
    const rows = await writeGenerations(4);
    const [accountId = ""] = accounts;
    const own = rows.filter((row) => row.account_id === accountId);
    const ids = (list: Row[]) =>
      list
        .map(({ id }) => id)
        .sort()
        .reverse();
    expect(await turnPages({ accountId }, 20)).toEqual(ids(own));
    const failed = own.filter(({ status }) => status === "failed");
    expect(await readFile({ accountId, status: "failed" })).toEqual(ids(failed));
    expect(await turnPages({ accountId: randomUUID() }, 20)).toEqual([]);
  });

  it("are told without what people wrote", async () => {
    await writeGenerations(5);
    const { rows } = await readPage(searchGenerations(db.app, { status: "failed" }), {
      before: undefined,
      limit: 3,
    });
    expect(rows[0]?.error_codes).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain("secret");
  });

  it("are read in windows that hold no more rows than asked for, by their index", async () => {
    await db.admin`TRUNCATE ducat.generations, ducat.generation_items`;
    await db.admin`
      INSERT INTO ducat.generations (account_id, id, idempotency_key, fingerprint, style_id,
        style_version, kind, input, params, metadata, status, item_count, open_items, failed_items,
        cost, trial_cost, balance_after, deadline_at, created_at)
      SELECT ${accounts[0] ?? ""}, gen_random_uuid(), 'k' || n, '\\x00', 'a', 1, 'text', '{}', '{}',
        '{}', 'completed', 1, 0, 0, 0, 0, 0, now(), now() - make_interval(secs => n / 20.0)
      FROM generate_series(1, 8000) n`;
    let [before, seconds, windows, most]: [number | null, number, number, number] = [
      null,
      3600,
      0,
      0,
    ];
    for (;;) {
      const [row]: { floor: number | null; seconds: number }[] = await db.app<
        { floor: number | null; seconds: number }[]
      >`
        SELECT floor, seconds FROM ducat.find_generation_window(${before}, NULL, 500, ${seconds})`;
      const [held] = await db.admin<{ count: number }[]>`
        SELECT count(*) FROM ducat.generations
        WHERE created_at >= ducat.of_microseconds(${row?.floor ?? 0})
          AND created_at < coalesce(ducat.of_microseconds(${before}), 'infinity')`;
      most = Math.max(most, held?.count ?? 0);
      windows += 1;
      if (row?.floor == null) break;
      [before, seconds] = [row.floor, row.seconds];
    }
    expect(most).toBeLessThanOrEqual(500);
    // Some are half empty, and years without any are crossed in a few steps.
    expect(windows).toBeLessThan(120);
    const plan = await db.admin.begin(async (sql) => {
      await sql`SET LOCAL enable_seqscan = off`;
      return await sql.unsafe(`EXPLAIN SELECT FROM ducat.generations
        WHERE created_at >= now() - interval '1 minute' AND created_at < now() LIMIT 1001`);
    });
    expect(JSON.stringify(plan)).toContain("generations_created");
  });
});
