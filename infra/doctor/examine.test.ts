import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { consumeCredits } from "../../packages/db/src/credits.ts";
import { invariants } from "../../packages/db/src/invariants.ts";
import { makeGeneration, makeKey } from "../../packages/db/test/factories.ts";
import { claim, complete, fail } from "../../packages/db/test/work.ts";
import { inputKey } from "../../packages/storage/src/blob-key.ts";
import type { Snapshot, Tx } from "./check.ts";
import { checkIds } from "./examine.ts";
import { lookAtAccounts } from "./look-at-accounts.ts";
import { checksOf, lookAtPlanted } from "./test/look-at-planted.ts";
import { plants, samples } from "./test/plants.ts";
import { makeStage, type Stage } from "./test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await makeStage();
});
afterAll(() => stage?.close());

describe("the doctor", () => {
  it("finds nothing where nothing is wrong", async () => {
    const report = await stage.look({ deep: true });
    expect(report).toMatchObject({ ok: true, findings: [], skipped: [], accounts: 6 });
  });

  it.each(samples)("finds $name, and nothing else", async (plant) => {
    const report = await lookAtPlanted(stage, plant);
    expect(checksOf(report), JSON.stringify(report)).toEqual([...plant.expected].sort());
    expect(report?.skipped).toEqual([]);
    expect(report?.findings.filter(({ rows }) => !rows.length || rows.length > 20)).toEqual([]);
  });

  it("was shown a breach of each of its rules", () => {
    const shown = new Set(samples.flatMap(({ expected }) => expected));
    expect(plants.length).toBeGreaterThan(samples.length);
    expect(checkIds.filter((id) => !shown.has(id))).toEqual([]);
  });

  it("is not misled by use that somebody brought from a former system", async () => {
    const sql = () => `
      INSERT INTO ducat.usage_counters (account_id, feature, period_start, used)
      VALUES ('${stage.person}', 'letters', date_trunc('month', now()), 5);
      INSERT INTO ducat.import_rows (source, row_key, account_id, credits, history)
      VALUES ('there', 'users:1', '${stage.person}', '{}', '{}')`;
    const report = await lookAtPlanted(stage, { name: "use", sql, expected: [] });
    expect(report).toMatchObject({ findings: [], skipped: [] });
  });

  it("is not misled by what is written while it looks", async () => {
    const { app, worker } = stage.database;
    let isOver = false;
    const spend = async (n: number) => {
      while (!isOver) {
        await consumeCredits(app, stage.busy, { ...makeKey(), amount: 1 });
        const made = await makeGeneration(app, stage.busy);
        const item = await claim(worker, stage.busy, made);
        await (n % 2 ? complete(worker, item) : fail(worker, item));
      }
    };
    const spending = Promise.all([spend(0), spend(1), spend(2), spend(3)]);
    for (let times = 0; times < 4; times++) {
      expect(await stage.look({ account: stage.busy })).toMatchObject({
        findings: [],
        accounts: 1,
      });
    }
    isOver = true;
    await spending;
  });
});

describe("a snapshot", () => {
  const count = (db: Pick<Tx, "unsafe">) =>
    db.unsafe<{ n: number }[]>("SELECT count(*) AS n FROM ducat.active_accounts");

  it("sees the same moment to its end", async () => {
    const { admin } = stage.database;
    const [before, after] = await stage.snapshot(10_000, async (tx) => {
      const first = await count(tx);
      await admin`
        INSERT INTO ducat.active_accounts (account_id, seen_at) VALUES (${stage.busy}, now())`;
      return [first, await count(tx)];
    });
    expect(after).toEqual(before);
    expect(await count(admin)).not.toEqual(before);
  });

  it("can't write", async () => {
    const write = stage.snapshot(
      1_000,
      (tx) => tx`
      INSERT INTO ducat.admin_config (key, value) VALUES ('a', '1')`,
    );
    await expect(write).rejects.toMatchObject({ code: "25006" });
  });
});

describe("what it looks at", () => {
  const bookOnly = ["I1", "I2", "I3"];

  it("ends with the time, and goes on where it ended", async () => {
    // A second for each moment that is looked at; a chunk takes two, to be found and looked at.
    let now = 0;
    const slow: Snapshot = (limitMs, read) => {
      now += 1_000;
      return stage.snapshot(limitMs, read);
    };
    const times = { snapshot: slow, now: () => now, firstSize: 1 };
    const first = await stage.look({ ...times, limitMs: 3_500, only: ["I1"] });
    expect(first).toMatchObject({ ok: false, findings: [], accounts: 2 });
    const reason = /^the time was over; go on with --after (\S+)$/.exec(
      first.skipped[0]?.reason ?? "",
    );
    expect(reason).not.toBeNull();
    const rest = await stage.look({ only: ["I1"], after: reason?.[1] });
    expect(rest).toMatchObject({ ok: true, accounts: 4 });
  });

  it("is one account where one was asked for, and those after one", async () => {
    const ids = await stage.database.admin<{ id: string }[]>`
      SELECT id FROM ducat.accounts ORDER BY id`;
    expect(await stage.look({ account: stage.person })).toMatchObject({ ok: true, accounts: 1 });
    await stage.database.admin`
      UPDATE ducat.credit_accounts SET held = held + 1 WHERE account_id = ${stage.busy}`;
    expect(await stage.look({ account: stage.person })).toMatchObject({ ok: true });
    expect(checksOf(await stage.look({ account: stage.busy }))).toEqual(["I1"]);
    await stage.database.admin`
      UPDATE ducat.credit_accounts SET held = held - 1 WHERE account_id = ${stage.busy}`;
    const after = ids.at(-3)?.id;
    expect(await stage.look({ after, only: bookOnly })).toMatchObject({ ok: true, accounts: 2 });
  });

  it("is left out, and named, where an account by itself takes too long", async () => {
    const { admin } = stage.database;
    const deps = { snapshot: stage.snapshot, checks: invariants, now: Date.now };
    const look = () => lookAtAccounts({ ...deps, remainingMs: () => 100 }, { after: null });
    const seen = await admin.begin(async (tx) => {
      await tx`LOCK TABLE ducat.credit_grants`;
      return await look();
    });
    const ids = await admin<{ id: string }[]>`SELECT id FROM ducat.accounts ORDER BY id`;
    const named = seen.skipped.map(({ reason }) => reason.split(" ")[0]);
    expect(named).toEqual([...ids.map(({ id }) => id), "what"]);
    expect(await look()).toMatchObject({ isDone: true, findings: [], skipped: [], accounts: 6 });
  });

  it("is nothing of log-ins for a worker, who says so", async () => {
    const report = await stage.look({ role: "ducat_worker", snapshot: stage.asWorker });
    expect(report).toMatchObject({ ok: false, findings: [] });
    expect(report.skipped).toEqual([{ check: "erased", reason: expect.stringMatching(/owner/) }]);
  });
});

describe("files", () => {
  const old = new Date(Date.now() - 3 * 86_400_000);
  const age = (key: string) => utimes(join(stage.dir, "blobs", key), old, old);
  const findFiles = async (deep = false) =>
    (await stage.look({ only: ["I11"], deep })).findings.flatMap(({ rows }) => rows);
  const findUpload = async () => {
    const [row] = await stage.database.admin<{ key: string }[]>`
      SELECT key FROM ducat.blobs WHERE account_id = ${stage.person} AND purpose = 'input'`;
    return row?.key ?? "";
  };

  it("of nobody are told when they are old, and let be while they may be on their way", async () => {
    const key = inputKey(stage.person, "01a1fc48-0000-7000-8000-000000000000");
    await stage.blobs.put(key, Buffer.from("stray"));
    expect(await findFiles()).toEqual([]);
    await age(key);
    expect(await findFiles()).toMatchObject([{ key, fault: "has no row" }]);
    await stage.blobs.remove(key);
  });

  it("that are shorter, other or gone are told, with what is wrong", async () => {
    const key = await findUpload();
    await stage.blobs.put(key, Buffer.from("uplOAD"));
    expect(await findFiles()).toEqual([]);
    expect(await findFiles(true)).toMatchObject([{ key, fault: "has another sha256" }]);
    await stage.blobs.put(key, Buffer.from("up"));
    expect(await findFiles()).toMatchObject([{ key, fault: "has 2 bytes, not 6" }]);
    await stage.blobs.remove(key);
    expect(await findFiles()).toMatchObject([{ key, fault: "is not there" }]);
    await stage.blobs.put(key, Buffer.from("upload"));
    expect(await findFiles(true)).toEqual([]);
  });
});
