import { Resolver } from "node:dns/promises";
import type { LookupFunction } from "node:net";

type Options = {
  /** `host:port` of name servers, instead of the system's. */
  servers?: readonly string[];
  /** For one question to one server; asked twice. */
  timeoutMs?: number;
};

/**
 * A look-up that asks name servers itself. The usual one waits in one of four threads that files
 * and pictures need too, so a few names whose servers are silent would stop the whole process. It
 * knows public names only, no hosts file. Fails by the codes of node:dns: ENOTFOUND, ETIMEOUT, …
 */
export function createNameLookup({ servers, timeoutMs = 3_000 }: Options = {}): LookupFunction {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 2 });
  if (servers) resolver.setServers(servers);

  return (hostname, options, callback) => {
    const family = Number(String(options.family ?? 0).replace("IPv", ""));
    const four = family === 6 ? [] : resolver.resolve4(hostname);
    const six = family === 4 ? [] : resolver.resolve6(hostname);
    void Promise.allSettled([four, six]).then(([v4, v6]) => {
      const found = [
        ...(v4.status === "fulfilled" ? v4.value : []).map((address) => ({ address, family: 4 })),
        ...(v6.status === "fulfilled" ? v6.value : []).map((address) => ({ address, family: 6 })),
      ];
      const [first] = found;
      const failed = v4.status === "rejected" ? v4.reason : undefined;
      if (!first) callback(failed ?? new Error("no address"), []);
      else if (options.all) callback(null, found);
      else callback(null, first.address, first.family);
    });
  };
}
