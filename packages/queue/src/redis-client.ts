import { Cluster, Redis } from "ioredis";

export type RedisClient = Redis | Cluster;

/** ioredis backs off up to 5 s, BullMQ up to 20 s: an add would fail long after Redis is back. */
const backOff = (mostMs: number) => (times: number) => Math.min(times * 100, mostMs);

const uses = {
  /** A producer never waits for Redis: the rows in our database are the outbox. */
  producer: {
    retryStrategy: backOff(1_000),
    enableOfflineQueue: false,
    each: {
      maxRetriesPerRequest: 1,
      connectTimeout: 1_500,
      commandTimeout: 1_500,
      // A silently dropped connection is found by the first command that gets no answer.
      socketTimeout: 3_000,
    },
  },
  /** Who counts requests waits a moment at most, and never sends a count twice. */
  limits: {
    retryStrategy: backOff(1_000),
    enableOfflineQueue: false,
    each: {
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      connectTimeout: 1_500,
      commandTimeout: 500,
      socketTimeout: 3_000,
    },
  },
  /** A consumer waits for Redis for ever; BullMQ asks for `null`. */
  consumer: {
    retryStrategy: backOff(2_000),
    enableOfflineQueue: true,
    each: {
      maxRetriesPerRequest: null,
      connectTimeout: 5_000,
      // Longer than the longest blocking read (10 s) of the connection BullMQ makes from this one.
      socketTimeout: 30_000,
    },
  },
};

/** Whether the URL names a node of a Redis Cluster: `?cluster=true`. */
const isCluster = (url: string) => new URL(url).searchParams.get("cluster") === "true";

/** A client that connects in the background and keeps trying. Give it an 'error' listener. */
export function connectRedis(url: string, use: keyof typeof uses): RedisClient {
  const { retryStrategy, enableOfflineQueue, each } = uses[use];
  if (!isCluster(url)) return new Redis(url, { ...each, retryStrategy, enableOfflineQueue });
  const { protocol, hostname, port, username, password } = new URL(url);
  return new Cluster([{ host: hostname, port: Number(port || 6379) }], {
    enableOfflineQueue,
    clusterRetryStrategy: retryStrategy,
    slotsRefreshTimeout: 1_500,
    redisOptions: {
      ...each,
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
      ...(protocol === "rediss:" && { tls: {} }),
    },
  });
}

/**
 * Told to disconnect between two attempts to reconnect, ioredis emits no 'end' and keeps the
 * commands that wait, and BullMQ waits for both. One more attempt brings the client to its end.
 */
export function endClient(client: RedisClient) {
  const isBetween = client.status === "reconnecting";
  client.disconnect();
  if (!isBetween) return;
  client.connect().then(
    () => client.disconnect(),
    () => undefined,
  );
}

/** What INFO says, of each server: its memory policy can differ. */
export function readInfo(client: RedisClient): Promise<string[]> {
  const nodes = client instanceof Cluster ? client.nodes("master") : [client];
  if (nodes.length === 0) return Promise.reject(new Error("no node of the cluster answers"));
  return Promise.all(nodes.map((node) => node.info()));
}

/**
 * Throws in clear words when a server may throw jobs away, or is part of a cluster and the URL does
 * not say so. INFO tells the policy also where a hosted Redis forbids CONFIG GET.
 */
export function assertUsable(info: string, client: RedisClient, place: string) {
  if (/^redis_mode:cluster/m.test(info) && !(client instanceof Cluster)) {
    throw new Error(`The queue's Redis (${place}) is a cluster: add ?cluster=true to its URL.`);
  }
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy === undefined || policy === "noeviction") return;
  throw new Error(
    `The queue's Redis (${place}) has maxmemory-policy ${policy} and may throw jobs away: ` +
      "set maxmemory-policy to noeviction.",
  );
}
