import { onTestFinished } from "vitest";
import { connectDatabase, type Db, type Role } from "../src/connect.ts";

/**
 * Pools of one connection each, all connected: what is asked of them at once runs at once, as
 * from that many processes. Closed when the test ends.
 */
export async function openSessions(url: string, role: Role, count: number): Promise<Db[]> {
  const sessions = Array.from({ length: count }, () => connectDatabase({ url, role, max: 1 }));
  onTestFinished(async () => {
    await Promise.all(sessions.map((session) => session.end({ timeout: 1 })));
  });
  await Promise.all(sessions.map((session) => session`SELECT`));
  return sessions;
}

/** Calls `run` `count` times at once, spread over the sessions; the calls in their order. */
export function atOnce<T>(
  sessions: Db[],
  count: number,
  run: (session: Db, index: number) => Promise<T>,
): Promise<T>[] {
  return Array.from({ length: count }, (_, index) => {
    const session = sessions[index % sessions.length];
    if (!session) throw new Error("there is no session");
    return run(session, index);
  });
}

/** A seeded source of whole numbers below `limit`, so that a failure can be run again. */
export function makeRandom(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** All orders of these items. */
export function permute<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, index) =>
    permute(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  );
}
