import autocannon from "autocannon";

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
  const { url, method, body, accounts, connections, seconds } = load;
  const result = await autocannon({
    url,
    connections,
    duration: seconds,
    // Each connection has its own order, so that they don't meet at the same account.
    setupClient: (client) =>
      client.setRequests(
        shuffle(accounts).map((account) => ({
          method,
          headers: { ...load.headers, "ducat-account": account },
          ...(body === undefined ? {} : { body }),
        })),
      ),
    // "[<id>]" in a request becomes an id of its own each time: the idempotency key.
    idReplacement: method === "POST",
  });
  return {
    perSecond: result["2xx"] / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    failures: result.non2xx + result.errors + result.timeouts,
  };
}

function shuffle<T>(list: readonly T[]): T[] {
  return list
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
