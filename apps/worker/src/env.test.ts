import { expect, it } from "vitest";
import { parseEnv } from "./env.ts";

const least = {
  DATABASE_URL: "postgres://ducat_worker@127.0.0.1/ducat",
  DUCAT_MODE: "test",
  SECRET_KEYS: "s".repeat(32),
};

it("fills in what was left out; an empty variable counts as left out", () => {
  const role = "ducat_queue";
  expect(parseEnv({ ...least, LOG_LEVEL: "", WORKER_CONCURRENCY: " ", PATH: "/bin" })).toEqual({
    ...least,
    SECRET_KEYS: [least.SECRET_KEYS],
    PORT: 8787,
    PUBLIC_URL: "http://127.0.0.1:8787",
    DATA_DIR: ".data",
    WORKER_CONCURRENCY: 2,
    FETCH_ALLOW_HOSTS: [],
    METRICS_HOST: "127.0.0.1",
    ALLOWED_ORIGINS: [],
    LOG_LEVEL: "info",
    bus: { postgresUrl: least.DATABASE_URL },
    queue: { url: least.DATABASE_URL, role },
  });
});

it("takes QUEUE_URL before REDIS_URL, and the direct database before the pooled one", () => {
  const DIRECT_DATABASE_URL = "postgres://ducat_worker@127.0.0.1:5433/ducat";
  const REDIS_URL = "rediss://redis.example";
  const QUEUE_URL = "redis://queue.example";
  const queueOf = (more: Record<string, string>) => parseEnv({ ...least, ...more }).queue;
  expect(queueOf({ DIRECT_DATABASE_URL })).toEqual({
    url: DIRECT_DATABASE_URL,
    role: "ducat_queue",
  });
  expect(queueOf({ DIRECT_DATABASE_URL, REDIS_URL })).toEqual({ url: REDIS_URL });
  expect(queueOf({ REDIS_URL, QUEUE_URL })).toEqual({ url: QUEUE_URL });
  expect(parseEnv({ ...least, DIRECT_DATABASE_URL, REDIS_URL, QUEUE_URL }).bus).toEqual({
    postgresUrl: DIRECT_DATABASE_URL,
    redisUrl: REDIS_URL,
  });
});

it("names every fault at once and repeats no value", () => {
  const faulty = {
    DATABASE_URL: "mysql://root:secret@db",
    QUEUE_URL: "amqp://guest:secret@mq",
    WORKER_CONCURRENCY: "0",
  };
  const parse = () => parseEnv(faulty);
  for (const name of ["DATABASE_URL", "QUEUE_URL", "WORKER_CONCURRENCY", "DUCAT_MODE"]) {
    expect(parse).toThrow(name);
  }
  expect(parse).not.toThrow("secret");
});

it("opens private networks in test mode only", () => {
  const hosts = { FETCH_ALLOW_HOSTS: "127.0.0.1:8080, photos.test:443," };
  const { FETCH_ALLOW_HOSTS } = parseEnv({ ...least, ...hosts });
  expect(FETCH_ALLOW_HOSTS).toEqual(["127.0.0.1:8080", "photos.test:443"]);
  expect(() => parseEnv({ ...least, ...hosts, DUCAT_MODE: "live" })).toThrow("FETCH_ALLOW_HOSTS");
});

it("sends the key of Google Maps over https only, in live mode", () => {
  const maps = { GOOGLE_MAPS_KEY: "maps-secret-key", GOOGLE_MAPS_URL: "http://maps.test" };
  expect(parseEnv({ ...least, ...maps }).GOOGLE_MAPS_URL).toBe("http://maps.test");
  const parse = () => parseEnv({ ...least, ...maps, DUCAT_MODE: "live" });
  expect(parse).toThrow("GOOGLE_MAPS_URL");
  expect(parse).not.toThrow("maps-secret-key");
  const shouted = { ...maps, GOOGLE_MAPS_URL: "HTTP://maps.test", DUCAT_MODE: "live" };
  expect(() => parseEnv({ ...least, ...shouted })).toThrow("GOOGLE_MAPS_URL");
});

it("mails links to pages of allowed origins only", () => {
  const page = { LOGIN_PAGE_URL: "https://app.example.com/me/" };
  const ALLOWED_ORIGINS = "https://app.example.com";
  const { LOGIN_PAGE_URL } = parseEnv({ ...least, ...page, ALLOWED_ORIGINS });
  expect(LOGIN_PAGE_URL).toBe("https://app.example.com/me");
  expect(() => parseEnv({ ...least, ...page })).toThrow("LOGIN_PAGE_URL");
});
