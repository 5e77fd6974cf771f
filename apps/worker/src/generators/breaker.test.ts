import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type BreakerState, createBreaker } from "./breaker.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const setUp = () => {
  const changes: BreakerState[] = [];
  const breaker = createBreaker({
    ...{ faults: 3, openMs: 10_000 },
    onChange: (state) => changes.push(state),
  });
  const answer = (isFault: boolean) => breaker.run(async () => ({ value: "asked", isFault }));
  return { breaker, changes, answer };
};

it("opens after as many faults in a row as it was told, not before", async () => {
  const { breaker, changes, answer } = setUp();
  for (const isFault of [true, true, false, true, true]) {
    expect(await answer(isFault)).toBe("asked");
  }
  expect(breaker.state()).toBe("closed");
  expect(await answer(true)).toBe("asked");
  expect(breaker.state()).toBe("open");
  expect(await answer(false)).toBeUndefined();
  expect(changes).toEqual(["open"]);
  expect(breaker.waitMs()).toBe(10_000);
});

it("lets one through when its time is over, and closes by its success", async () => {
  const { breaker, changes, answer } = setUp();
  for (let count = 0; count < 3; count += 1) await answer(true);
  vi.setSystemTime(Date.now() + 9_999);
  expect(await answer(false)).toBeUndefined();
  vi.setSystemTime(Date.now() + 1);
  expect(breaker.waitMs()).toBe(0);
  let asked = 0;
  let end: (value: { value: string; isFault: boolean }) => void = () => undefined;
  const ended = new Promise<{ value: string; isFault: boolean }>((resolve) => {
    end = resolve;
  });
  const run = () =>
    breaker.run(() => {
      asked += 1;
      return ended;
    });
  const trial = run();
  // Nobody else is let through, and nobody waits for the one that is.
  expect(await Promise.all([run(), run()])).toEqual([undefined, undefined]);
  expect([asked, breaker.state()]).toEqual([1, "half-open"]);
  end({ value: "done", isFault: false });
  expect(await trial).toBe("done");
  expect(await answer(false)).toBe("asked");
  expect(changes).toEqual(["open", "half-open", "closed"]);
});

it("stays open for as long again when the one that was let through fails", async () => {
  const { breaker, changes, answer } = setUp();
  for (let count = 0; count < 3; count += 1) await answer(true);
  vi.setSystemTime(Date.now() + 10_000);
  expect(await answer(true)).toBe("asked");
  expect(await answer(false)).toBeUndefined();
  vi.setSystemTime(Date.now() + 10_000);
  expect(await answer(false)).toBe("asked");
  expect(breaker.state()).toBe("closed");
  expect(changes).toEqual(["open", "half-open", "open", "half-open", "closed"]);
});
