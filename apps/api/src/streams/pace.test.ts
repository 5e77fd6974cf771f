import { beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { createPace } from "./pace.ts";
import { createSeat, type Seat } from "./seat.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
});

function makeSeats(count: number): Seat[] {
  const seats = Array.from({ length: count }, () =>
    createSeat({ kind: "account", generationId: undefined, endsAt: undefined }, () => {}),
  );
  onTestFinished(() => {
    for (const seat of seats) seat.leave("left");
  });
  return seats;
}
/** How many are awake; they are asleep then. */
const takeAwake = (seats: Seat[]) => seats.filter((seat) => seat.takeWakeUp() !== undefined).length;

it("a storm of signals wakes an account's streams so many times a second, and never too few", () => {
  const pace = createPace();
  const [many, one] = [makeSeats(100), makeSeats(1)];
  let [manyWoken, oneWoken] = [0, 0];
  for (let ms = 0; ms < 1_000; ms++) {
    pace.wake("many", many);
    if (ms % 20 === 0) pace.wake("one", one);
    manyWoken += takeAwake(many);
    oneWoken += takeAwake(one);
    vi.advanceTimersByTime(1);
  }
  expect(manyWoken).toBe(500);
  expect(oneWoken).toBe(50);
  // The last signal is not forgotten.
  takeAwake(many);
  pace.wake("many", many);
  vi.advanceTimersByTime(200);
  expect(takeAwake(many)).toBe(100);
});

it("a late one is awake since it was to be", () => {
  const pace = createPace();
  const seats = makeSeats(50);
  pace.wake("a", seats);
  takeAwake(seats);
  const since = performance.now();
  pace.wake("a", seats.slice(0, 1));
  vi.advanceTimersByTime(100);
  expect(seats[0]?.takeWakeUp()).toBe(since);
});

it("an account without streams leaves no timer", () => {
  const pace = createPace();
  const seats = makeSeats(10);
  const before = vi.getTimerCount();
  pace.wake("a", seats);
  pace.wake("a", seats);
  expect(vi.getTimerCount()).toBe(before + 1);
  pace.forget("a");
  expect(vi.getTimerCount()).toBe(before);
});
