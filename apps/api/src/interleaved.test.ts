import { randomUUID } from "node:crypto";
import { Agent, type IncomingMessage, request } from "node:http";
import { connectDatabase, type Db } from "@ducat/db/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeRandom } from "../../../packages/db/test/parallel.ts";
import { eventually, order, rootKey, type Stage, setStage } from "../test/stage.ts";
import { createApp } from "./app.ts";
import { accountScopes } from "./scopes.ts";
import { type RunningServer, startServer } from "./server.ts";

/** A sample of the 10,000 of the long form. */
const count = process.env.DUCAT_TEST_LONG === "1" ? 10_000 : 2_000;
const atOnce = 24;

/** An account, with a word that is in all that it has, and the ways to be it. */
type Tenant = { id: string; word: string; bearers: string[]; generation: string };
type Ask = { method: string; path: string; body?: string; length?: number };
/** When the caller goes away: before all was sent, at once, or while the answer comes. */
type Leave = "sending" | "sent" | "answered" | undefined;
type Reply = { status: number; text: string } | undefined;

describe(`${count} requests in turn over two connections`, () => {
  let stage: Stage;
  let pool: Db;
  let server: RunningServer;
  let tenants: Tenant[];
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  beforeAll(async () => {
    stage = await setStage();
    pool = connectDatabase({ url: stage.db.url, role: "ducat_app", max: 2, name: "two" });
    const payments = { ...stage.deps.payments, db: pool };
    const app = createApp({ ...stage.deps, db: pool, payments });
    server = await startServer(app, { host: "127.0.0.1", port: 0 });
    tenants = await Promise.all(Array.from({ length: 7 }, () => makeTenant(stage)));
  });
  afterAll(async () => {
    agent.destroy();
    await server.close(1_000);
    await pool.end({ timeout: 5 });
    await stage.close();
  });

  it("tell each account of itself alone, whoever goes away meanwhile", async () => {
    const random = makeRandom(20261120);
    const pick = <T>(from: readonly T[]): T => from[random(from.length)] as T;
    const faults: string[] = [];
    const seen: Record<string, number> = {};
    let own = 0;
    const askOne = async () => {
      const tenant = pick(tenants);
      const ask = pick(asks)(tenant, pick(tenants));
      const leave = pick<Leave>(["sending", "sent", "answered", ...Array(9).fill(undefined)]);
      const reply = await send({ agent, port: server.port }, { tenant, ask, leave, pick });
      const status = reply?.status ?? "left";
      seen[status] = (seen[status] ?? 0) + 1;
      const strange = tenants.filter((one) => one !== tenant && tells(reply, one));
      faults.push(...strange.map((one) => `${tenant.word} ${ask.path} tells ${one.word}`));
      if (tells(reply, tenant)) own++;
    };
    let left = count;
    const work = async () => {
      while (left-- > 0) await askOne();
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    expect(faults).toEqual([]);
    // An export has to wait for another of its account, and for a free place.
    const possible = ["200", "201", "400", "404", "409", "422", "429", "503", "left"];
    expect(possible).toEqual(expect.arrayContaining(Object.keys(seen)));
    expect([own > count / 3, (seen.left ?? 0) > count / 10]).toEqual([true, true]);
  }, 180_000);

  it("leave nothing behind: no account, no open transaction, no third connection", async () => {
    await eventually(async () => {
      const rows = await stage.db.admin`
        SELECT state FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'two'`;
      expect(rows.map(({ state }) => state)).toEqual(["idle", "idle"]);
    });
    const both = await Promise.all(
      [0, 1].map(() => pool`SELECT ducat.current_account() AS id, pg_sleep(0.1)`),
    );
    expect(both.map(([row]) => row?.id)).toEqual([null, null]);
    // Exports have places of their own, which those who left have given back.
    for (const tenant of tenants) {
      const path = "/v1/me/export";
      const wanted = { tenant, ask: { method: "GET", path }, leave: undefined, pick: first };
      await eventually(async () => {
        const reply = await send({ agent, port: server.port }, wanted);
        expect([tenant.word, reply?.status]).toEqual([tenant.word, 200]);
      });
    }
    const failed = stage.lines.filter((line) => /"level":50/.test(line) && !/export/.test(line));
    expect(failed).toEqual([]);
  });
});

const asks: ((own: Tenant, other: Tenant) => Ask)[] = [
  () => ({ method: "GET", path: "/v1/me" }),
  () => ({ method: "GET", path: "/v1/me/export" }),
  () => ({ method: "GET", path: "/v1/credits/balance" }),
  () => ({ method: "GET", path: "/v1/credits/transactions?count=true" }),
  () => ({ method: "GET", path: "/v1/generations?limit=5" }),
  () => ({ method: "GET", path: "/v1/payments" }),
  ({ generation }) => ({ method: "GET", path: `/v1/generations/${generation}` }),
  (_, { generation }) => ({ method: "GET", path: `/v1/generations/${generation}` }),
  (_, { generation }) => ({ method: "POST", path: `/v1/generations/${generation}/cancel` }),
  ({ word }) => ({
    ...{ method: "POST", path: "/v1/credits/consume" },
    body: JSON.stringify({ amount: 1, description: word }),
  }),
  ({ word }) => ({
    ...{ method: "PATCH", path: "/v1/me" },
    body: JSON.stringify({ bio: word }),
  }),
  () => ({ method: "POST", path: "/v1/credits/consume", body: '{"amount":-1}' }),
  () => ({ method: "POST", path: "/v1/credits/consume", body: '{"amount":' }),
];

const first = <T>(from: readonly T[]): T => from[0] as T;

const tells = (reply: Reply, { id, word, generation }: Tenant): boolean =>
  reply !== undefined && [id, word, generation].some((text) => reply.text.includes(text));

async function makeTenant(stage: Stage): Promise<Tenant> {
  const word = `word-${randomUUID()}`;
  const { body: account } = await stage.call("/v1/accounts", {
    body: { external_id: word, name: word },
  });
  const { id } = account;
  await stage.call(`/v1/admin/accounts/${id}/credits`, {
    ...{ key: word, body: { amount: 100_000, reason: word } },
  });
  const body = { name: word, scopes: accountScopes };
  const made = await stage.call("/v1/generations", {
    ...{ account: id, key: word, body: order({ reference: word, metadata: { word } }) },
  });
  const key = await stage.call("/v1/api-keys", { account: id, body });
  const { token } = stage.deps.accountTokens.make({
    ...{ accountId: id, scopes: accountScopes, seconds: 900 },
  });
  return { id, word, bearers: [rootKey, key.body.key, token], generation: made.body.id };
}

type Sending = {
  tenant: Tenant;
  ask: Ask;
  leave: Leave;
  pick: <T>(from: readonly T[]) => T;
};

/** What was answered; undefined for who went away. */
function send(
  { agent, port }: { agent: Agent; port: number },
  { tenant, ask: { method, path, body }, leave, pick }: Sending,
): Promise<Reply> {
  const headers = {
    authorization: `Bearer ${pick(tenant.bearers)}`,
    "ducat-account": pick([tenant.id, tenant.word]),
    "idempotency-key": randomUUID(),
    ...(body !== undefined && {
      "content-type": "application/json",
      // Of a body that is cut short more is announced than comes.
      "content-length": Buffer.byteLength(body) + (leave === "sending" ? 10 : 0),
    }),
  };
  return new Promise((resolve, reject) => {
    const sent = request({ agent, port, host: "127.0.0.1", method, path, headers });
    const go = () => {
      sent.destroy();
      resolve(undefined);
    };
    sent.on("error", (error) => (leave ? resolve(undefined) : reject(error)));
    sent.on("response", (response) => {
      if (leave) return go();
      readText(response).then(
        (text) => resolve({ status: response.statusCode ?? 0, text }),
        reject,
      );
    });
    if (body !== undefined) sent.write(body);
    if (leave === "sending") return void setImmediate(go);
    sent.end(() => leave === "sent" && setImmediate(go));
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part);
  return Buffer.concat(parts).toString();
}
