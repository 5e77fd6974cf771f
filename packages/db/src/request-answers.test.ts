import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeAccount } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { answerOnce } from "./request-answers.ts";

const database = useDatabase();

const make = async (more: object = {}) => ({
  accountId: (await makeAccount(database.app)).id,
  scope: "checkout",
  key: randomUUID(),
  fingerprint: Buffer.from("the request"),
  holdSeconds: 30,
  ...more,
});

describe("answerOnce", () => {
  it("runs once, and repeats the first answer to the letter", async () => {
    const request = await make();
    const first = await answerOnce(database.app, request, async () => '{"b": 1,  "a":2}');
    expect(first).toEqual({ answer: '{"b": 1,  "a":2}', replayed: false });
    const never = async () => expect.unreachable("it was answered");
    expect(await answerOnce(database.app, request, never)).toEqual({ ...first, replayed: true });
  });

  it("refuses another request with the key, answered or not", async () => {
    const request = await make();
    const other = { ...request, fingerprint: Buffer.from("another") };
    const ask = () => answerOnce(database.app, other, async () => "{}");
    await answerOnce(database.app, request, async () => {
      await expect(ask()).rejects.toMatchObject({ code: "idempotency_conflict" });
      return "{}";
    });
    await expect(ask()).rejects.toMatchObject({ code: "idempotency_conflict" });
    // Of another kind or another account, it is another key.
    for (const free of [{ scope: "plan_change" }, { accountId: (await make()).accountId }]) {
      const { replayed } = await answerOnce(database.app, { ...other, ...free }, async () => "{}");
      expect(replayed).toBe(false);
    }
  });

  it("lets one of many run, and tells the others to come again", async () => {
    const request = await make();
    let runs = 0;
    let finish: () => void = () => undefined;
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let refused = 0;
    const ask = () =>
      answerOnce(database.app, request, async () => {
        runs += 1;
        await finished;
        return "{}";
      }).catch((error: { code: string }) => {
        expect(error.code).toBe("in_progress");
        refused += 1;
        if (refused === 9) finish();
      });
    await Promise.all(Array.from({ length: 10 }, ask));
    expect([runs, refused]).toEqual([1, 9]);
  });

  it("keeps nothing of a request that failed: the key can be used again, by any request", async () => {
    const request = await make();
    const fail = async () => {
      throw new Error("no provider");
    };
    await expect(answerOnce(database.app, request, fail)).rejects.toThrow("no provider");
    const other = { ...request, fingerprint: Buffer.from("another") };
    expect((await answerOnce(database.app, other, async () => "{}")).replayed).toBe(false);
  });

  it("goes on when the process that held the key is gone", async () => {
    const request = await make({ holdSeconds: 0 });
    // What a killed process leaves: a key that is held, and nobody who answers.
    const never = new Promise<string>(() => {});
    let started: () => void = () => undefined;
    const running = new Promise<void>((resolve) => {
      started = resolve;
    });
    void answerOnce(database.app, request, () => {
      started();
      return never;
    });
    await running;
    expect((await answerOnce(database.app, request, async () => "{}")).replayed).toBe(false);
  });

  it("keeps the answer of the quicker one when a slow one comes back after its time", async () => {
    const request = await make({ holdSeconds: 0 });
    const slow = await answerOnce(database.app, request, async () => {
      await answerOnce(database.app, request, async () => "first");
      return "second";
    });
    expect(slow.answer).toBe("first");
  });
});
