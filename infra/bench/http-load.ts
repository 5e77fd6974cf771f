import autocannon from "autocannon";
import { quantile } from "./rounds.ts";

/** What to send, over and over: the same request for another account each time. */
export type Load = {
  url: string;
  method: "GET" | "POST";
  headers: Record<string, string>;
  body?: string;
  accounts: string[];
  connections: number;
  seconds: number;
};

export type LoadResult = {
  perSecond: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  /** Answers that were no success, and requests without any. */
  failures: number;
};

process.on("message", async (load: Load) => {
  process.send?.(await run(load));
});
// follow-parent.ts lets a process end that waits for nothing but messages; this one does just that.
process.channel?.ref();

async function run(load: Load): Promise<LoadResult> {
  const times: number[] = [];
  const result = await send(load, (ms) => times.push(ms));
  times.sort((a, b) => a - b);
  return {
    perSecond: result["2xx"] / result.duration,
    p50Ms: quantile(times, 0.5),
    p95Ms: quantile(times, 0.95),
    p99Ms: quantile(times, 0.99),
    failures: result.non2xx + result.errors + result.timeouts,
  };
}

/** Its own histogram knows no 95th percentile, so it tells of each answer. */
function send(load: Load, onAnswer: (ms: number) => void): Promise<autocannon.Result> {
  const { url, method, body, accounts, connections, seconds } = load;
  const options: autocannon.Options = {
    url,
    connections,
    duration: seconds,
    setupClient(client) {
      // Each connection has its own order, so that they don't meet at the same account.
      client.setRequests(
        shuffle(accounts).map((account) => ({
          method,
          headers: { ...load.headers, "ducat-account": account },
          ...(body === undefined ? {} : { body }),
        })),
      );
      client.on("response", (_status, _bytes, ms) => onAnswer(ms));
    },
    // "[<id>]" in a request becomes an id of its own each time: the idempotency key.
    idReplacement: method === "POST",
  };
  return autocannon(options);
}

function shuffle<T>(list: readonly T[]): T[] {
  return list
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
