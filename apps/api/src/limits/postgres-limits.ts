import type { Db } from "@ducat/db/connect";
import { takeWindows } from "@ducat/db/rate-limits";
import { withDeadline } from "@ducat/queue/deadline";
import type { LimitStore } from "./limit.ts";

/** Longer than the pool keeps a query waiting on a busy day: then memory counts. */
const deadlineMs = 2_000;

/** Counts requests in PostgreSQL: one statement, whose commit waits for no disk. */
export function createPostgresLimits(db: Db): LimitStore {
  return {
    async take(limits) {
      const asked = withDeadline(takeWindows(db, limits), deadlineMs, "PostgreSQL (limits)");
      const { taken, windows } = await asked;
      const standings = limits.map(({ key, windowSeconds }) => {
        const { used = 0, resetsMs = windowSeconds * 1000 } =
          windows.find((window) => window.key === key) ?? {};
        return { used, resetsMs };
      });
      return { isTaken: taken, standings };
    },
  };
}
