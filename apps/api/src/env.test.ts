import { describe, expect, it } from "vitest";
import { parseEnv } from "./env.ts";

const least = {
  DATABASE_URL: "postgres://u:p@db/ducat",
  DUCAT_MODE: "test",
  ROOT_KEY: `dk_test_${"r".repeat(32)}`,
  SECRET_KEYS: "s".repeat(32),
};
const faultsOf = (source: Record<string, string | undefined>) => {
  try {
    parseEnv(source);
    return "";
  } catch (error) {
    return (error as Error).message;
  }
};

describe("parseEnv", () => {
  it("fills in what may be left out; an empty variable counts as left out", () => {
    expect(parseEnv({ ...least, PORT: "", REDIS_URL: " " })).toMatchObject({
      PORT: 8787,
      HOST: "0.0.0.0",
      PUBLIC_URL: "http://127.0.0.1:8787",
      DATA_DIR: ".data",
      LOG_LEVEL: "info",
      ALLOWED_ORIGINS: [],
      queue: { url: least.DATABASE_URL, role: "ducat_queue" },
    });
  });

  it("puts the queue where it is told, in this order", () => {
    const DIRECT_DATABASE_URL = "postgres://u:p@direct/ducat";
    const REDIS_URL = "redis://r:6379";
    const QUEUE_URL = "postgres://q@q/q";
    const queueOf = (more: object) => parseEnv({ ...least, ...more }).queue;
    expect(queueOf({ DIRECT_DATABASE_URL })).toEqual({
      url: DIRECT_DATABASE_URL,
      role: "ducat_queue",
    });
    expect(queueOf({ DIRECT_DATABASE_URL, REDIS_URL })).toEqual({ url: REDIS_URL });
    expect(queueOf({ REDIS_URL, QUEUE_URL })).toEqual({ url: QUEUE_URL });
  });

  it("takes hosts of private networks for webhooks in test mode only", () => {
    const FETCH_ALLOW_HOSTS = "127.0.0.1:8080, hooks.test:443,";
    const env = parseEnv({ ...least, FETCH_ALLOW_HOSTS });
    expect(env.FETCH_ALLOW_HOSTS).toEqual(["127.0.0.1:8080", "hooks.test:443"]);
    expect(faultsOf({ ...least, DUCAT_MODE: "live", FETCH_ALLOW_HOSTS })).toContain(
      "FETCH_ALLOW_HOSTS",
    );
  });

  it("names every fault at once and repeats no value", () => {
    const message = faultsOf({
      DATABASE_URL: "mysql://hunter2",
      DUCAT_MODE: "prod",
      ROOT_KEY: "hunter2",
      SECRET_KEYS: "hunter2",
      PORT: "0",
      PUBLIC_URL: "ftp://hunter2",
      ALLOWED_ORIGINS: "*",
      LOG_LEVEL: "loud",
      METRICS_TOKEN: "short",
    });
    const names = ["DATABASE_URL", "DUCAT_MODE", "ROOT_KEY", "SECRET_KEYS", "PORT", "PUBLIC_URL"];
    for (const name of [...names, "ALLOWED_ORIGINS", "LOG_LEVEL", "METRICS_TOKEN"]) {
      expect(message).toContain(`→ at ${name}`);
    }
    expect(message).not.toContain("hunter2");
  });

  it("asks for keys and mode in every mode, and for the public address in live mode", () => {
    const message = faultsOf({});
    for (const name of Object.keys(least)) expect(message).toContain(name);
    const live = { ...least, DUCAT_MODE: "live", ROOT_KEY: "r".repeat(32) };
    expect(faultsOf(live)).toContain("PUBLIC_URL");
    expect(faultsOf({ ...live, PUBLIC_URL: "https://api.example.com" })).toBe("");
  });

  it("refuses a root key of the other mode", () => {
    const PUBLIC_URL = "https://api.example.com";
    expect(faultsOf({ ...least, DUCAT_MODE: "live", PUBLIC_URL })).toContain("the other mode");
    const ROOT_KEY = `dk_live_${"r".repeat(32)}`;
    expect(faultsOf({ ...least, ROOT_KEY })).toContain("the other mode");
  });

  it("takes several secrets, newest first, and refuses a short one among them", () => {
    const [a, b] = ["a".repeat(32), "b".repeat(32)];
    expect(parseEnv({ ...least, SECRET_KEYS: `${a}, ${b}` }).SECRET_KEYS).toEqual([a, b]);
    expect(faultsOf({ ...least, SECRET_KEYS: `${a},short` })).toContain("SECRET_KEYS");
  });

  it("knows the countries that codes are sent to, and that there is a most of a day", () => {
    const { SMS_COUNTRIES, SMS_DAILY_LIMIT } = parseEnv({ ...least, SMS_COUNTRIES: "ir, DE" });
    expect([SMS_COUNTRIES, SMS_DAILY_LIMIT]).toEqual([["IR", "DE"], 1_000]);
    expect(parseEnv(least).SMS_COUNTRIES).toEqual([]);
    const message = faultsOf({ ...least, SMS_COUNTRIES: "IR,XX", SMS_DAILY_LIMIT: "many" });
    for (const name of ["SMS_COUNTRIES", "SMS_DAILY_LIMIT"]) expect(message).toContain(name);
  });

  it("starts with no page for mailed links that could not call it", () => {
    const LOGIN_PAGE_URL = "https://app.example.com/me";
    const ALLOWED_ORIGINS = "https://app.example.com";
    expect(faultsOf({ ...least, LOGIN_PAGE_URL, ALLOWED_ORIGINS })).toBe("");
    expect(faultsOf({ ...least, LOGIN_PAGE_URL })).toContain("LOGIN_PAGE_URL");
  });
});
