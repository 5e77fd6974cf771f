import { describe } from "vitest";
import { requirePart } from "../dev/parts.ts";

/** A suite that needs Redis. Without redis-server it is left out, loudly, and fails in CI. */
export function describeRedis(title: string, suite: () => void): void {
  const name = `${title} (needs redis-server)`;
  describe.skipIf(requirePart("redis-server", name) === undefined)(name, suite);
}

/**
 * The suite once per kind of queue. Where what it is about is the same on both, it may be a sample
 * on the second: `isWhole` is false there, but in the long form.
 */
export function describeQueues(
  title: string,
  suite: (kind: "postgres" | "redis", isWhole: boolean) => void,
): void {
  describe(`${title}, the queue on postgres`, () => suite("postgres", true));
  const isLong = process.env.DUCAT_TEST_LONG === "1";
  describeRedis(`${title}, the queue on redis`, () => suite("redis", isLong));
}
