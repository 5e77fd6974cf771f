import { describe, expect, it } from "vitest";
import { useDatabase } from "../../db/test/use-database.ts";
import {
  day,
  makeClockDeps,
  makeLife,
  makeMortal,
  makeMove,
  makeProducts,
  readTimeline,
} from "../test/timeline.ts";
import { advanceAccountClock } from "./advance-clock.ts";

const database = useDatabase();
const deps = () => makeClockDeps(database.app);
const whatOf = ({ ran }: { ran: { what: string }[] }) => ran.map(({ what }) => what);

describe("an account's clock", () => {
  it("does all that falls due in order, and nothing of it twice", async () => {
    const products = await makeProducts(database);
    const id = await makeLife(database, products);
    const move = makeMove(45);
    const run = await advanceAccountClock(deps(), id, move);
    const order = run.ran.map(({ at }) => at);
    expect(order).toEqual([...order].sort());
    const before = await readTimeline(database, id);
    expect(await advanceAccountClock(deps(), id, move)).toEqual({ ...run, replayed: true });
    expect((await advanceAccountClock(deps(), id, makeMove(0))).ran).toEqual([]);
    expect(await readTimeline(database, id)).toEqual(before);
  });

  it.each(["monthly", "own"] as const)(
    "comes to the same bit by bit, on a plan %s",
    async (plan) => {
      const products = await makeProducts(database);
      const one = await makeLife(database, products, plan);
      const other = await makeLife(database, products, plan);
      const whole = await advanceAccountClock(deps(), one, makeMove(36));
      const parts: string[] = [];
      for (let n = 0; n < 36; n += 4) {
        parts.push(...whatOf(await advanceAccountClock(deps(), other, makeMove(4))));
      }
      expect(parts).toEqual(whatOf(whole));
      expect(await readTimeline(database, other)).toEqual(await readTimeline(database, one));
    },
  );

  it("gives a paid year month by month, however far it goes", async () => {
    const yearly = await makeLife(database, await makeProducts(database), "year");
    const run = await advanceAccountClock(deps(), yearly, makeMove(400));
    expect(whatOf(run).filter((what) => what === "plan.month")).toHaveLength(11);
    const { entries } = await readTimeline(database, yearly);
    expect(entries.filter(({ type }) => type === "subscription")).toHaveLength(12);
    // Nobody has paid the second year: asked three days before, over when the grace was.
    expect(whatOf(run).slice(-3)).toEqual([
      ...["subscription.renewal", "subscription.period_end", "subscription.grace_end"],
    ]);
  });

  it("goes on where it was killed, with the same call or another one", async () => {
    const products = await makeProducts(database);
    const whole = await makeLife(database, products);
    const counted = makeMortal(database.app);
    const run = await advanceAccountClock(makeClockDeps(counted.db), whole, makeMove(40));
    const expected = await readTimeline(database, whole);
    for (const part of [0.1, 0.35, 0.6, 0.9]) {
      const id = await makeLife(database, products);
      const killed = makeClockDeps(makeMortal(database.app, Math.floor(counted.sent() * part)).db);
      const move = makeMove(40);
      await expect(advanceAccountClock(killed, id, move)).rejects.toThrow();
      if (part > 0.5) await advanceAccountClock(deps(), id, makeMove(0));
      const after = await advanceAccountClock(deps(), id, move);
      expect(whatOf(after), `killed at ${part}`).toEqual(whatOf(run));
      expect(await readTimeline(database, id), `killed at ${part}`).toEqual(expected);
    }
  });

  it("serializes calls that are made at once, one day after the other", async () => {
    const products = await makeProducts(database);
    const [one, other] = [await makeLife(database, products), await makeLife(database, products)];
    const whole = await advanceAccountClock(deps(), one, makeMove(40));
    const calls = Array.from({ length: 4 }, () => advanceAccountClock(deps(), other, makeMove(10)));
    const runs = await Promise.all(calls);
    expect(runs.flatMap(whatOf).sort()).toEqual(whatOf(whole).sort());
    expect(await readTimeline(database, other)).toEqual(await readTimeline(database, one));
    const times = runs.map(({ done_at }) => Date.parse(done_at ?? "") - Date.now());
    const days = times.map((ms) => Math.round(ms / 1000 / day)).sort((a, b) => a - b);
    expect(days).toEqual([10, 20, 30, 40]);
  });
});
