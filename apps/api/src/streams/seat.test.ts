import { expect, it, onTestFinished, vi } from "vitest";
import { createSeat } from "./seat.ts";

const minute = 60_000;

it("streams that began together end one after the other, within an hour", () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const options = { kind: "account", generationId: undefined, endsAt: undefined } as const;
  const seats = Array.from({ length: 300 }, () => createSeat(options, () => {}));
  const count = () => seats.filter((seat) => seat.closed() === "expired").length;
  vi.advanceTimersByTime(54 * minute - 1);
  expect(count()).toBe(0);
  vi.advanceTimersByTime(3 * minute);
  expect(count()).toBeGreaterThan(50);
  expect(count()).toBeLessThan(250);
  vi.advanceTimersByTime(3 * minute + 1);
  expect(count()).toBe(300);
});
