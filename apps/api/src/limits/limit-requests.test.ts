import { randomUUID } from "node:crypto";
import { claimItem } from "@ducat/db/items";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Answer, order, type Stage, setStage } from "../../test/stage.ts";
import { createApp } from "../app.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
});
afterAll(() => stage.close());

/** Gives the plan of those who pay for none these windows; every process hears of it. */
const setWindows = async (windows: object) => {
  await stage.db
    .admin`UPDATE ducat.products SET rate_limits = ${stage.db.admin.json(windows as never)}
    WHERE kind = 'plan' AND is_default AND coalesce(audience, 'user') = 'user'`;
  await stage.deps.cache.drop(["entitlements"]);
};
beforeEach(() => setWindows({}));

let places = 0;
const makeIp = () => `203.0.${Math.floor(places / 250)}.${1 + (places++ % 250)}`;
const makeToken = async (account: string): Promise<string> =>
  (await stage.call(`/v1/accounts/${account}/tokens`, { body: {} })).body.token;
const makeKey = async (body: object = {}, account?: string) => {
  const scopes = ["credits", "generations", "keys"];
  return (await stage.call("/v1/api-keys", { account, body: { name: "a key", scopes, ...body } }))
    .body;
};
/** Asks as somebody at this address. */
async function askFrom(ip: string, path: string, headers: Record<string, string> = {}, init = {}) {
  const env = { incoming: { socket: { remoteAddress: ip } } };
  return await stage.app.request(path, { headers, ...init }, env as object);
}
const withToken = (token: string) => ({ authorization: `Bearer ${token}` });
const readBalance = (account: string, bearer?: string) =>
  stage.call("/v1/credits/balance", { account, ...(bearer && { bearer }) });
const countPassed = (answers: { status: number }[]) =>
  answers.filter(({ status }) => status === 200).length;
const many = <T>(count: number, run: () => Promise<T>) =>
  Promise.all(Array.from({ length: count }, run));
const headersOf = ({ headers }: Pick<Answer, "headers">) =>
  ["ratelimit-policy", "ratelimit", "retry-after"].map((name) => headers.get(name));

describe("an account's windows", () => {
  it("are shown beside what its plan allows, with the request that asks counted", async () => {
    const account = await stage.makeAccount();
    await setWindows({ minute: 5, day: 90 });
    await readBalance(account);
    const { body, headers } = await stage.call("/v1/entitlements", { account });
    const reset = { resets_at: expect.stringMatching(/^\d{4}-.*Z$/) };
    expect(body.rate_limits).toEqual([
      { unit: "minute", limit: 5, remaining: 3, ...reset },
      { unit: "day", limit: 90, remaining: 88, ...reset },
    ]);
    expect(headers.get("ratelimit")).toContain('"account-minute";r=3;');
  });

  it("let exactly as many of 40 at once pass as its plan says, whoever asks for it", async () => {
    const account = await stage.makeAccount();
    await setWindows({ minute: 5 });
    const token = await makeToken(account);
    const [servers, browsers] = await Promise.all([
      many(20, () => readBalance(account)),
      many(20, () => readBalance(account, token)),
    ]);
    const answers = [...servers, ...browsers];
    expect(countPassed(answers)).toBe(5);
    const [refused] = answers.filter(({ status }) => status === 429);
    expect(refused?.body).toMatchObject({ code: "rate_limited", policy: "account-minute" });
    expect(refused?.headers.get("retry-after")).toBe(String(refused?.body.retry_after_s));
    const other = await stage.makeAccount();
    expect((await readBalance(other)).status).toBe(200);
  });

  it("are told with every answer, as the draft for these headers writes them", async () => {
    const account = await stage.makeAccount();
    await setWindows({ minute: 2, day: 9 });
    const [first, second, third] = [
      await readBalance(account),
      await readBalance(account),
      await readBalance(account),
    ];
    const policy = '"account-minute";q=2;w=60, "account-day";q=9;w=86400';
    expect(headersOf(first)).toEqual([
      policy,
      '"account-minute";r=1;t=60, "account-day";r=8;t=86400',
      null,
    ]);
    expect(second.headers.get("ratelimit")).toMatch(
      /^"account-minute";r=0;t=\d+, "account-day";r=7/,
    );
    expect(third.status).toBe(429);
    // What the minute refused was not taken from the day.
    expect(third.headers.get("ratelimit")).toMatch(/"account-day";r=7;t=\d+$/);
    expect(third.headers.get("ratelimit-policy")).toBe(policy);
    expect(Number(third.headers.get("retry-after"))).toBeGreaterThan(50);
  });

  it("that are several tell of the one that is used up for the longest", async () => {
    const account = await stage.makeAccount();
    await setWindows({ minute: 1, hour: 1 });
    await readBalance(account);
    const refused = await readBalance(account);
    expect(refused.body.policy).toBe("account-hour");
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(3_500);
  });

  it("count no act of an admin, and no request that names nobody", async () => {
    const account = await stage.makeAccount();
    await setWindows({ minute: 1 });
    await readBalance(account);
    const path = `/v1/admin/accounts/${account}/credits`;
    const given = await stage.call(path, { key: randomUUID(), body: { amount: 1, reason: "x" } });
    expect(given.status).toBe(201);
    expect((await stage.call("/v1/styles")).status).toBe(200);
    expect((await readBalance(randomUUID())).status).toBe(404);
  });

  it("that a plan doesn't have cost no round trip, and no header", async () => {
    const account = await stage.makeAccount();
    const asked: number[] = [];
    const take: typeof stage.deps.limits.take = (limits) => {
      asked.push(limits.length);
      return Promise.resolve({ isTaken: true, standings: [] });
    };
    const app = createApp({ ...stage.deps, limits: { ...stage.deps.limits, take } });
    const token = await makeToken(account);
    const ask = (path: string) => app.request(path, { headers: withToken(token) });
    const answer = await ask("/v1/credits/balance");
    expect([answer.status, answer.headers.get("ratelimit"), asked]).toEqual([200, null, []]);
    await setWindows({ minute: 5 });
    await ask("/v1/credits/balance");
    expect(asked).toEqual([1]);
  });

  it("become wider in the next request after a better plan", async () => {
    const account = await stage.makeAccount();
    await setWindows({ minute: 1 });
    await readBalance(account);
    expect((await readBalance(account)).status).toBe(429);
    await setWindows({ minute: 3 });
    const answers = await many(4, () => readBalance(account));
    expect(countPassed(answers)).toBe(2);
  });
});

describe("an address", () => {
  it("may do what five accounts of a plan may, for those who have accounts", async () => {
    await setWindows({ minute: 2 });
    const accounts = await many(8, () => stage.makeAccount());
    const tokens = await Promise.all(accounts.map(makeToken));
    const ip = makeIp();
    const ask = (token: string, from: string) =>
      askFrom(from, "/v1/credits/balance", withToken(token));
    const answers = await Promise.all(tokens.flatMap((token) => [ask(token, ip), ask(token, ip)]));
    expect(countPassed(answers)).toBe(10);
    // What the address refused was not taken from the account.
    const bodies = await Promise.all(
      answers.map(async (answer) => ({ status: answer.status, body: await answer.json() })),
    );
    const at = bodies.findIndex(({ status }) => status === 429);
    expect(bodies[at]?.body).toMatchObject({ policy: "address-minute" });
    const refused = tokens[Math.floor(at / 2)] ?? "";
    expect((await ask(refused, makeIp())).headers.get("ratelimit")).toMatch(
      /"account-minute";r=[01]/,
    );
  });

  it("has no windows of its own where a server asks", async () => {
    await setWindows({ minute: 2 });
    const { key } = await makeKey();
    const ip = makeIp();
    const answers = [];
    for (let n = 0; n < 12; n++) {
      const account = await stage.makeAccount();
      const headers = { ...withToken(key), "ducat-account": account };
      answers.push(await askFrom(ip, "/v1/credits/balance", headers));
    }
    expect(countPassed(answers)).toBe(12);
    expect(answers[0]?.headers.get("ratelimit-policy")).toBe('"account-minute";q=2;w=60');
  });

  it("of a network is one address, and is kept by no name that tells it", async () => {
    await setWindows({ minute: 1 });
    const tokens = await Promise.all((await many(6, () => stage.makeAccount())).map(makeToken));
    const answers = [];
    for (const [n, token] of tokens.entries()) {
      answers.push(await askFrom(`2001:db8:7:7::${n}`, "/v1/credits/balance", withToken(token)));
    }
    expect(countPassed(answers)).toBe(5);
    const rows = await stage.db.admin`SELECT key FROM ducat.rate_limits`;
    // Not by its first four figures alone: an account's id may have those too.
    expect(JSON.stringify(rows)).not.toMatch(/2001:?0?db8/);
  });
});

describe("a key", () => {
  it("with a limit makes so many requests a minute, for whomever", async () => {
    const { key, limit_per_minute } = await makeKey({ limit_per_minute: 3 });
    expect(limit_per_minute).toBe(3);
    const accounts = await many(4, () => stage.makeAccount());
    const answers = await Promise.all(
      accounts.flatMap((account) => Array.from({ length: 10 }, () => readBalance(account, key))),
    );
    expect(countPassed(answers)).toBe(3);
    const [refused] = answers.filter(({ status }) => status === 429);
    expect(refused?.body.policy).toBe("key-minute");
    expect((await readBalance(accounts[0] ?? "", (await makeKey()).key)).status).toBe(200);
  });

  it("that is refused takes nothing from the account, nor the account from the key", async () => {
    const account = await stage.makeAccount();
    await setWindows({ minute: 2 });
    const { key } = await makeKey({ limit_per_minute: 1 });
    expect((await readBalance(account, key)).status).toBe(200);
    expect((await readBalance(account, key)).body.policy).toBe("key-minute");
    const own = await readBalance(account);
    expect(own.headers.get("ratelimit")).toMatch(/"account-minute";r=0/);
    const wide = await makeKey({ limit_per_minute: 2 });
    expect((await readBalance(account, wide.key)).body.policy).toBe("account-minute");
    expect(
      (await readBalance(await stage.makeAccount(), wide.key)).headers.get("ratelimit"),
    ).toMatch(/"key-minute";r=1/);
  });

  it("keeps its limit when it is rotated, and makes no key that has more", async () => {
    const { id, key } = await makeKey({ limit_per_minute: 7 });
    const rotated = await stage.call(`/v1/api-keys/${id}/rotate`, { body: {} });
    expect(rotated.body.limit_per_minute).toBe(7);
    const make = (more: object) =>
      stage.call("/v1/api-keys", {
        bearer: key,
        body: { name: "b", scopes: ["credits"], ...more },
      });
    expect((await make({})).body.limit_per_minute).toBe(7);
    expect((await make({ limit_per_minute: 6 })).body.limit_per_minute).toBe(6);
    expect((await make({ limit_per_minute: 8 })).body.code).toBe("forbidden");
    expect((await make({ limit_per_minute: 0 })).body.errors[0].pointer).toBe("/limit_per_minute");
  });
});

describe("whoever says nothing of themselves", () => {
  it("is counted by address on open routes, and told so", async () => {
    const ip = makeIp();
    const body = { method: "POST", body: "{}" };
    const headers = { "content-type": "application/json" };
    const ask = () => askFrom(ip, "/v1/auth/login", headers, body);
    const first = await ask();
    expect([first.status, ...headersOf(first)]).toEqual([
      422,
      '"anonymous-minute";q=600;w=60',
      '"anonymous-minute";r=599;t=60',
      null,
    ]);
    const key = `anonymous:${stage.deps.logins.secrets.hashKey(ip)}:minute`;
    await stage.db.admin`UPDATE ducat.rate_limits SET taken = 599 WHERE key = ${key}`;
    expect([(await ask()).status, (await ask()).status]).toEqual([422, 429]);
    expect((await askFrom(makeIp(), "/v1/auth/login", headers, body)).status).toBe(422);
  });

  it.each(["/livez", "/health", "/docs/", "/webhooks/stripe"])(
    "is not counted on %s, which machines ask",
    async (path) => {
      expect((await askFrom(makeIp(), path)).headers.get("ratelimit")).toBeNull();
    },
  );

  it("is counted for files in this process only, and widely", async () => {
    const answer = await askFrom(makeIp(), "/v1/files/a/b");
    expect(answer.headers.get("ratelimit-policy")).toBe('"files-minute";q=3000;w=60');
    const rows = await stage.db.admin`SELECT key FROM ducat.rate_limits WHERE key LIKE 'files%'`;
    expect(rows).toHaveLength(0);
  });

  it("is not counted on routes behind a key: those refuse by themselves", async () => {
    const answer = await askFrom(makeIp(), "/v1/credits/balance");
    expect([answer.status, answer.headers.get("ratelimit")]).toEqual([401, null]);
  });
});

describe("promo codes", () => {
  const redeem = (account: string, code: string) =>
    stage.call("/v1/credits/redeem", { account, body: { code } });

  it("are guessed twenty times an hour, of forty at once exactly", async () => {
    const account = await stage.makeAccount();
    const answers = await many(40, () => redeem(account, randomUUID().slice(0, 12)));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 404)).toHaveLength(20);
    expect(statuses.filter((status) => status === 429)).toHaveLength(20);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.body.policy).toBe("promo-hour");
    expect(refused?.headers.get("ratelimit-policy")).toBe(
      '"promo-hour";q=20;w=3600, "promo-day";q=60;w=86400',
    );
    // Everything else of the account's goes on.
    expect((await readBalance(account)).status).toBe(200);
  });

  it("are guessed sixty times an hour from one address, with however many accounts", async () => {
    const ip = makeIp();
    const tokens = await Promise.all((await many(4, () => stage.makeAccount())).map(makeToken));
    const guess = (token: string) =>
      askFrom(
        ip,
        "/v1/credits/redeem",
        { ...withToken(token), "content-type": "application/json" },
        { method: "POST", body: JSON.stringify({ code: randomUUID().slice(0, 12) }) },
      );
    const answers = await Promise.all(
      tokens.flatMap((token) => Array.from({ length: 18 }, () => guess(token))),
    );
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(60);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(12);
  });
});

describe("work that runs at once", () => {
  it("is what the plan says, of all the generations that an account has", async () => {
    const setRunning = async (limits: object) => {
      await stage.db
        .admin`UPDATE ducat.products SET limits = ${stage.db.admin.json(limits as never)}
        WHERE kind = 'plan' AND is_default AND coalesce(audience, 'user') = 'user'`;
      await stage.deps.cache.drop(["entitlements"]);
    };
    await setRunning({ running: 2 });
    const accountId = await stage.makeAccount(9);
    const made = await many(6, () =>
      stage.call("/v1/generations", { account: accountId, key: randomUUID(), body: order() }),
    );
    expect(made.map(({ status }) => status)).toEqual(Array(6).fill(201));
    const items = made.map(({ body }) => ({ generationId: body.id, itemId: body.items[0].id }));
    const claims = await Promise.all(
      items.map((item) => claimItem(stage.db.worker, { accountId, ...item, attempt: 0 }, 60)),
    );
    expect(claims.filter((item) => item !== undefined)).toHaveLength(2);
    await setRunning({});
  });
});
