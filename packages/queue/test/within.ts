import { vi } from "vitest";
import { withDeadline } from "../src/deadline.ts";

/** Fails when the promise takes longer than `ms`. */
export const within = <T>(ms: number, promise: Promise<T>) =>
  withDeadline(promise, ms, "what the test waits for");

/** Waits until the check stops throwing. */
export const eventually = <T>(check: () => T | Promise<T>) =>
  vi.waitFor(check, { timeout: 10_000, interval: 20 });

/** A promise that the test settles. */
export function makeGate() {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}
