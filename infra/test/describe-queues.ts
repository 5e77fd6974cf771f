import { describe } from "vitest";
import { requirePart } from "../dev/parts.ts";

/** A suite that needs Redis. Without redis-server it is left out, loudly, and fails in CI. */
export function describeRedis(title: string, suite: () => void): void {
  const name = `${title} (needs redis-server)`;
  describe.skipIf(requirePart("redis-server", name) === undefined)(name, suite);
}

/** The suite once per kind of queue. */
export function describeQueues(title: string, suite: (kind: "postgres" | "redis") => void): void {
  describe(`${title}, the queue on postgres`, () => suite("postgres"));
  describeRedis(`${title}, the queue on redis`, () => suite("redis"));
}
