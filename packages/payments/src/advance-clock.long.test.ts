import { expect, it } from "vitest";
import { useDatabase } from "../../db/test/use-database.ts";
import {
  makeClockDeps,
  makeLife,
  makeMortal,
  makeMove,
  makeProducts,
  readTimeline,
} from "../test/timeline.ts";
import { advanceAccountClock } from "./advance-clock.ts";

const database = useDatabase();

it.each(["monthly", "own"] as const)(
  "a clock that is killed before each of its statements comes to the same, on a plan %s",
  async (plan) => {
    const products = await makeProducts(database);
    const whole = await makeLife(database, products, plan);
    const counted = makeMortal(database.app);
    const run = await advanceAccountClock(makeClockDeps(counted.db), whole, makeMove(36));
    const expected = await readTimeline(database, whole);
    for (let n = 0; n < counted.sent(); n += 1) {
      const id = await makeLife(database, products, plan);
      const killed = makeClockDeps(makeMortal(database.app, n).db);
      const move = makeMove(36);
      // Near the end it may have needed fewer than were counted.
      await advanceAccountClock(killed, id, move).catch(() => undefined);
      const after = await advanceAccountClock(makeClockDeps(database.app), id, move);
      const told = ({ ran }: typeof run) => ran.map(({ what }) => what);
      expect(told(after), `killed before statement ${n}`).toEqual(told(run));
      expect(await readTimeline(database, id), `statement ${n}`).toEqual(expected);
    }
  },
  600_000,
);
