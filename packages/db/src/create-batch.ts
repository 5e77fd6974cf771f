import type { Db } from "./connect.ts";

/** How many creates go together at most, and how many calls are under way at once. */
const maxBatch = 64;
const maxCalls = 2;

type Waiting<A, R> = {
  asked: A;
  resolve: (result: R) => void;
  reject: (error: unknown) => void;
};

export type Calls<A, R> = {
  /** One request by itself; its refusals are the caller's. */
  single: (asked: A) => Promise<R>;
  /** Many at once; undefined for each that has to be asked singly. */
  together: (asked: A[]) => Promise<(R | undefined)[]>;
};

/**
 * Natural batching: while calls are under way, what arrives waits and goes together in the next
 * one. An idle process asks at once and singly, so nobody waits for company. A batch that fails
 * is asked one by one: a request's own fault is its own, and keys make the repetition harmless.
 */
export function createBatcher<A, R>(calls: Calls<A, R>): (asked: A) => Promise<R> {
  const waiting: Waiting<A, R>[] = [];
  let underWay = 0;

  const next = () => {
    if (underWay >= maxCalls || waiting.length === 0) return;
    underWay++;
    const batch = waiting.splice(0, maxBatch);
    const done = () => {
      underWay--;
      next();
    };
    answer(calls, batch).then(done, done);
  };

  return (asked) =>
    new Promise<R>((resolve, reject) => {
      waiting.push({ asked, resolve, reject });
      next();
    });
}

async function answer<A, R>(calls: Calls<A, R>, batch: Waiting<A, R>[]): Promise<void> {
  const results = await askTogether(calls, batch);
  const left = batch.filter((one, i) => {
    const result = results[i];
    if (result !== undefined) one.resolve(result);
    return result === undefined;
  });
  await Promise.all(left.map((one) => calls.single(one.asked).then(one.resolve, one.reject)));
}

async function askTogether<A, R>(
  calls: Calls<A, R>,
  batch: Waiting<A, R>[],
): Promise<(R | undefined)[]> {
  if (batch.length === 1) return [];
  try {
    return await calls.together(batch.map((one) => one.asked));
  } catch {
    return [];
  }
}

/** One batcher per pool: a process has one pool for a database. */
export function batcherOf<A, R>(
  batchers: WeakMap<Db, (asked: A) => Promise<R>>,
  db: Db,
  make: () => Calls<A, R>,
): (asked: A) => Promise<R> {
  const known = batchers.get(db);
  if (known) return known;
  const batcher = createBatcher(make());
  batchers.set(db, batcher);
  return batcher;
}
