import { DomainError } from "@ducat/types/errors";
import { describe, expect, it } from "vitest";
import { givePurchase, makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { createBatcher } from "./create-batch.ts";
import { findBalance, freezeAccount } from "./credits.ts";
import { findGeneration } from "./generations.ts";

const database = useDatabase();

const outcome = (promise: Promise<{ replayed: boolean }>) =>
  promise.then(
    (made) => (made.replayed ? "replayed" : "made"),
    (error: unknown) => (error instanceof DomainError ? error.code : "unknown"),
  );

describe("creates that arrive together", () => {
  it("are served in order of arrival with the balance chaining through them", async () => {
    const account = await makeAccount(database.app, 100);
    const made = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        makeGeneration(database.app, account.id, {
          labels: i % 3 ? [null] : ["front", "back"],
          metadata: { i, z: 1, a: 2 },
        }),
      ),
    );
    const total = made.reduce((sum, one) => sum + one.cost, 0);
    expect(await findBalance(database.app, account.id)).toMatchObject({
      available: 103 - total,
      held: total,
    });
    const last = made.at(-1);
    const found = await findGeneration(database.app, account.id, last?.id ?? "");
    expect(found?.items.map((item) => item.id)).toEqual(last?.item_ids);
    expect(found).toMatchObject({ metadata: { i: 39, z: 1, a: 2 }, cost: last?.cost });
  });

  it("over many accounts are each charged to their own", async () => {
    const accounts = await Promise.all(
      Array.from({ length: 12 }, () => makeAccount(database.app, 5)),
    );
    const outcomes = await Promise.all(
      accounts.flatMap((account) =>
        Array.from({ length: 10 }, () => outcome(makeGeneration(database.app, account.id))),
      ),
    );
    expect(outcomes.filter((one) => one === "made")).toHaveLength(12 * 8);
    expect(outcomes.filter((one) => one === "insufficient_credits")).toHaveLength(12 * 2);
  });

  it("are refused alone: one that does not fit keeps no smaller one from being served", async () => {
    const account = await makeAccount(database.app);
    const block = Array.from({ length: 4 }, () => makeAccount(database.app, 1));
    await Promise.all(block);
    const [, , large, small] = await Promise.all([
      ...block
        .slice(0, 2)
        .map(async (one) => outcome(makeGeneration(database.app, (await one).id))),
      outcome(makeGeneration(database.app, account.id, { labels: ["a", "b", "c", "d"] })),
      outcome(makeGeneration(database.app, account.id, { labels: ["a", "b", "c"] })),
    ]);
    expect([large, small]).toEqual(["insufficient_credits", "made"]);
  });

  it("with one key become one generation", async () => {
    const account = await makeAccount(database.app, 50);
    const key = makeKey();
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => outcome(makeGeneration(database.app, account.id, key))),
    );
    expect(outcomes.filter((one) => one === "made")).toHaveLength(1);
    expect(outcomes.filter((one) => one === "replayed")).toHaveLength(19);
    expect((await findBalance(database.app, account.id))?.held).toBe(1);
  });

  it("keep their own refusals when the batch has bad ones among them", async () => {
    const [good, frozen, bound] = await Promise.all([
      makeAccount(database.app, 10),
      makeAccount(database.app, 10),
      makeAccount(database.app, 10),
    ]);
    await givePurchase(database.app, bound.id, 2, { subject: "house" });
    const audit = { actor: "test", request_id: "test", ip: null };
    await freezeAccount(database.app, frozen.id, { reason: "admin", frozen: true, audit });
    const unknown = "00000000-0000-4000-8000-000000000000";
    const ask = (id: string, more = {}) => outcome(makeGeneration(database.app, id, more));
    expect(
      await Promise.all([
        ask(good.id),
        ask(good.id),
        ask(frozen.id),
        ask(unknown),
        ask(good.id, { style: "no_such_style" }),
        ask(bound.id, { subject: "house", labels: ["a", "b"] }),
        ask(good.id, { unitCost: 0 }),
        ask(good.id),
      ]),
    ).toEqual(["made", "made", "account_frozen", "not_found", "not_found", "made", "made", "made"]);
    expect(await findBalance(database.app, bound.id)).toMatchObject({ available: 13, bound: [] });
  });
});

describe("the batcher", () => {
  it("asks singly while idle, together under load, and singly again for what is left", async () => {
    const calls: string[] = [];
    const gates: (() => void)[] = [];
    const gate = () => new Promise<void>((resolve) => gates.push(resolve));
    const ask = createBatcher<number, string>({
      single: async (n) => {
        calls.push(`single ${n}`);
        if (n < 2) await gate();
        if (n === 13) throw new Error("thirteen");
        return `${n}`;
      },
      together: async (list) => {
        calls.push(`together ${list.join(" ")}`);
        if (list.includes(99)) throw new Error("a batch may fail");
        return list.map((n) => (n === 12 || n === 13 ? undefined : `${n}`));
      },
    });
    const first = [ask(0), ask(1)];
    const second = [10, 11, 12].map(ask);
    const refused = ask(13).catch((error: Error) => error.message);
    while (gates.length < 2) await Promise.resolve();
    for (const open of gates) open();
    expect(await Promise.all([...first, ...second, refused])).toEqual([
      "0",
      "1",
      "10",
      "11",
      "12",
      "thirteen",
    ]);
    expect(calls.slice(0, 3)).toEqual(["single 0", "single 1", "together 10 11 12 13"]);
    const third = [ask(2), ask(3), ask(99), ask(98)];
    expect(await Promise.all(third)).toEqual(["2", "3", "99", "98"]);
    expect(calls.some((call) => /^together .*99 98$/.test(call))).toBe(true);
  });
});
