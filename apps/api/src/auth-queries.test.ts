import { randomUUID } from "node:crypto";
import type { Db } from "@ducat/db/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Issuer, startIssuer } from "../test/issuer.ts";
import { ask, rootKey, type Stage, setStage } from "../test/stage.ts";
import { makeSession } from "../test/tenant.ts";
import { trustIssuers } from "../test/trust-issuers.ts";
import { makeApiKey } from "./api-key.ts";
import { createApp } from "./app.ts";

const times = 100;
/** What finding out who calls asks the database, and the tables that it would find them in. */
const aboutCallers = new RegExp(
  "find_account|find_session|use_api_key|open_external_account|" +
    "\\b(accounts|sessions|api_keys|logins|external_identities)\\b",
);

let stage: Stage;
let issuer: Issuer;
let app: Stage["app"];
let asked: string[] = [];
const counted = { proofs: 0 };

/** The same pool, which writes down what it is asked. */
const watch = (db: Db): Db =>
  new Proxy(db, {
    apply(target, self, args) {
      if (Array.isArray(args[0])) asked.push(args[0].join("$"));
      return Reflect.apply(target, self, args);
    },
    get(target, name) {
      const value = Reflect.get(target, name);
      if (name !== "begin") return value;
      return (run: (sql: Db) => unknown) => target.begin((sql) => run(watch(sql as never)));
    },
  });

beforeAll(async () => {
  issuer = await startIssuer();
  const { verify } = trustIssuers([issuer]);
  stage = await setStage();
  await stage.deps.cache.ready();
  const db = watch(stage.deps.db);
  app = createApp({
    ...{ ...stage.deps, db, logins: { ...stage.deps.logins, db } },
    externalIssuers: {
      verify(token) {
        counted.proofs++;
        return verify(token);
      },
    },
  });
});
afterAll(async () => {
  await stage.close();
  await issuer.close();
});

type Caller = { bearer: string; account?: string };
const callers: Record<string, (account: string) => Promise<Caller>> = {
  "the root key": async (account) => ({ bearer: rootKey, account }),
  "a server's key and an id": async (account) => ({ ...(await makeKey()), account }),
  "a server's key and an external id": async (account) => {
    const me = await stage.call("/v1/me", { account });
    return { ...(await makeKey()), account: me.body.external_id };
  },
  "an account's key": makeKey,
  "a browser's token": async (account) => {
    const made = await stage.call(`/v1/accounts/${account}/tokens`, { body: {} });
    return { bearer: made.body.token };
  },
  "a session": async (account) => ({ bearer: (await makeSession(stage, account)).access }),
  "a token of an issuer": async () => ({ bearer: await issuer.sign({ sub: randomUUID() }) }),
};

async function makeKey(account?: string): Promise<Caller> {
  const body = { name: "a server", scopes: ["credits"] };
  return { bearer: (await stage.call("/v1/api-keys", { account, body })).body.key };
}

describe("finding out who calls", () => {
  it.each(Object.keys(callers))("asks the database nothing in 100 requests by %s", async (name) => {
    const account = await stage.makeAccount();
    const caller = await callers[name]?.(account);
    const read = async () => {
      const answer = await ask(app, "/v1/credits/balance", caller ?? {});
      expect(answer.status).toBe(200);
    };
    // Making the caller has asked for the account already.
    await stage.deps.cache.drop([`account:${account}`]);
    asked = [];
    await read();
    // The first one is the proof that the others would be seen.
    expect(asked.some((text) => aboutCallers.test(text))).toBe(true);
    const proofs = counted.proofs;
    asked = [];
    // Sooner than what is remembered ends by itself, on a slow machine too.
    for (let n = 0; n < times; n += 20) await Promise.all(Array.from({ length: 20 }, read));
    expect(asked.filter((text) => aboutCallers.test(text))).toEqual([]);
    expect(asked.filter((text) => text.includes("get_credit_balance"))).toHaveLength(times);
    expect(counted.proofs).toBe(proofs);
  });

  it("asks once, however many come at once with something new", async () => {
    const account = await stage.makeAccount();
    const caller = (await callers["an account's key"]?.(account)) ?? {};
    await stage.deps.cache.drop([`account:${account}`]);
    asked = [];
    await Promise.all(Array.from({ length: 30 }, () => ask(app, "/v1/credits/balance", caller)));
    expect(asked.filter((text) => text.includes("use_api_key"))).toHaveLength(1);
    expect(asked.filter((text) => text.includes("find_account"))).toHaveLength(1);
  });

  const askFrom = (remoteAddress: string, bearer: string) =>
    app.request("/v1/credits/balance", { headers: { authorization: `Bearer ${bearer}` } }, {
      incoming: { socket: { remoteAddress } },
    } as object);
  const countWrong = async (ips: string[]) => {
    asked = [];
    const answers = await Promise.all(ips.map((ip) => askFrom(ip, makeApiKey("test").text)));
    const queries = asked.filter((text) => text.includes("use_api_key")).length;
    return { statuses: [...new Set(answers.map(({ status }) => status))], queries };
  };

  it("asks nothing any more for whoever has shown a hundred keys that are none", async () => {
    const account = await stage.makeAccount();
    const ip = "203.0.113.7";
    const [known = "", other = ""] = await Promise.all(
      [1, 2].map(async () => (await makeKey(account)).bearer),
    );
    expect((await askFrom(ip, known)).status).toBe(200);
    expect(await countWrong(Array(100).fill(ip))).toEqual({ statuses: [401], queries: 100 });
    expect(await countWrong(Array(50).fill(ip))).toEqual({ statuses: [429], queries: 0 });
    const refused = await askFrom(ip, other);
    expect(await refused.json()).toMatchObject({ policy: "wrong-keys-minute" });
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    // Who was here before goes on, and so does whoever is elsewhere.
    expect((await askFrom(ip, known)).status).toBe(200);
    expect((await askFrom("203.0.113.8", other)).status).toBe(200);
  });

  it("counts a network of IPv6 as one place, and good keys for nothing", async () => {
    const ips = Array.from({ length: 101 }, (_, n) => `2001:db8:7:7::${n.toString(16)}`);
    const account = await stage.makeAccount();
    for (const ip of ips.slice(0, 10)) {
      expect((await askFrom(ip, (await makeKey(account)).bearer)).status).toBe(200);
    }
    expect(await countWrong(ips.slice(0, 100))).toEqual({ statuses: [401], queries: 100 });
    expect((await countWrong(ips.slice(100))).statuses).toEqual([429]);
  });
});
