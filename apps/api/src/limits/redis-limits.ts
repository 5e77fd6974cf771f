import type { RedisClient } from "@ducat/queue/redis-client";
import type { LimitStore } from "./limit.ts";

/** The braces keep all of it in one slot of a cluster, where one script may see it. */
const prefix = "{ducat-limits}:";

/**
 * Nothing runs between two lines of a script, so that all limits are seen before any is taken
 * from. A key is a window: it begins with the first request and ends by itself. KEYS: the windows.
 * ARGV: for each its limit and its milliseconds. Returns 1 or 0, then for each: used, ends in ms.
 */
const script = `
local answer = { 1 }
for n, key in ipairs(KEYS) do
  local used, ends = tonumber(redis.call('GET', key) or 0), redis.call('PTTL', key)
  if ends <= 0 then used, ends = 0, 0 end
  if used >= tonumber(ARGV[2 * n - 1]) then answer[1] = 0 end
  answer[2 * n], answer[2 * n + 1] = used, ends
end
for n, key in ipairs(KEYS) do
  local used, ends, span = answer[2 * n], answer[2 * n + 1], tonumber(ARGV[2 * n])
  if answer[1] == 1 then
    if ends == 0 then redis.call('SET', key, 1, 'PX', span) else redis.call('INCR', key) end
    answer[2 * n] = used + 1
  end
  if ends == 0 then answer[2 * n + 1] = span end
end
return answer`;

type Scripted = { takeLimits(keys: number, ...args: (string | number)[]): Promise<number[]> };

/** Counts requests in Redis: one command, which its client ends when no answer comes. */
export function createRedisLimits(client: RedisClient): LimitStore {
  client.defineCommand("takeLimits", { lua: script });
  const scripted = client as unknown as Scripted;
  return {
    async take(limits) {
      const keys = limits.map(({ key }) => prefix + key);
      const args = limits.flatMap(({ limit, windowSeconds }) => [limit, windowSeconds * 1000]);
      const [isTaken, ...found] = await scripted.takeLimits(keys.length, ...keys, ...args);
      const standings = limits.map((_, at) => ({
        used: found[2 * at] ?? 0,
        resetsMs: found[2 * at + 1] ?? 0,
      }));
      return { isTaken: isTaken === 1, standings };
    },
  };
}
