import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stage, setStage } from "../test/stage.ts";
import { makeSession } from "../test/tenant.ts";

let stage: Stage;
let server: { key: string; id: string };
beforeAll(async () => {
  stage = await setStage({ deps: { proxyHops: 1 } });
  await stage.deps.cache.ready();
  const body = { name: "a server", scopes: ["accounts", "profile", "credits"] };
  server = (await stage.call("/v1/api-keys", { body })).body;
});
afterAll(() => stage.close());

const listLines = (account: string) => stage.db.admin`
  SELECT actor, action, resource, resource_id, metadata, request_id FROM ducat.audit_logs
  WHERE account_id = ${account} ORDER BY id`;

describe("what the product's server does in an account's name", () => {
  it("leaves a line: the account, its browser tokens, what is changed of it", async () => {
    const word = `canary-${randomUUID()}`;
    const ask = (path: string, how: object) => stage.call(path, { bearer: server.key, ...how });
    const body = { external_id: word, kind: "vendor", name: word, email: `${word}@x.example` };
    const made = await ask("/v1/accounts", { body });
    expect([made.status, (await ask("/v1/accounts", { body })).status]).toEqual([201, 200]);
    const account: string = made.body.id;
    const token = await ask(`/v1/accounts/${word}/tokens`, { body: { scopes: ["credits"] } });
    const change = { name: `${word} 2`, bio: word };
    const changed = await ask("/v1/me", { method: "PATCH", account, body: change });
    const saved = await ask("/v1/vendor", {
      ...{ method: "PUT", account },
      body: { business_name: word },
    });
    expect([token.status, changed.status, saved.status]).toEqual([201, 200, 200]);
    const about = { actor: `key:${server.id}`, resource: "account", resource_id: account };
    const of = (answer: { headers: Headers }) => ({
      request_id: answer.headers.get("x-request-id"),
    });
    const lines = await listLines(account);
    expect(lines).toEqual([
      {
        ...{ ...about, ...of(made), action: "account.create" },
        metadata: { after: { kind: "vendor", is_active: true } },
      },
      {
        ...{ ...about, ...of(token), action: "account_token.create" },
        metadata: { scopes: ["credits"], expires_at: token.body.expires_at },
      },
      {
        ...{ ...about, ...of(changed), action: "account.update" },
        metadata: { members: ["bio", "name"] },
      },
      { ...about, ...of(saved), action: "vendor.update", resource: "vendor", metadata: {} },
    ]);
    expect(JSON.stringify(lines)).not.toContain(word);
  });

  it("leaves none when it is refused", async () => {
    const account = await stage.makeAccount();
    const before = await listLines(account);
    const ask = (path: string, how: object) => stage.call(path, { account, ...how });
    const refused = [
      await ask("/v1/me", { method: "PATCH", body: { avatar: randomUUID() } }),
      await ask("/v1/vendor", { method: "PUT", body: { business_name: "x" } }),
      await ask(`/v1/accounts/${account}/tokens`, { body: { scopes: ["admin"] } }),
    ];
    expect(refused.map(({ status }) => status)).toEqual([422, 409, 422]);
    expect(await listLines(account)).toEqual(before);
  });

  it("leaves none for what the account's own people, tokens and keys do", async () => {
    const account = await stage.makeAccount();
    const { access } = await makeSession(stage, account);
    const token = (await stage.call(`/v1/accounts/${account}/tokens`, { body: {} })).body.token;
    const body = { name: "its own", scopes: ["profile"] };
    const { key } = (await stage.call("/v1/api-keys", { account, body })).body;
    const before = await listLines(account);
    expect(before.map(({ actor }) => actor)).toEqual(["root", "root", "root"]);
    for (const bearer of [access, token, key]) {
      const how = { bearer, method: "PATCH", body: { name: "Ada" } };
      expect((await stage.call("/v1/me", how)).status).toBe(200);
    }
    expect(await listLines(account)).toEqual(before);
  });
});

it("a line has the address that our proxy saw, and not one that the caller wrote", async () => {
  const account = await stage.makeAccount();
  const headers = { "x-forwarded-for": "192.0.2.66, 198.51.100.7" };
  const path = `/v1/admin/accounts/${account}/freeze`;
  expect((await stage.call(path, { method: "POST", headers })).status).toBe(200);
  const [line] = await stage.db.admin`
    SELECT ip FROM ducat.audit_logs WHERE action = 'account.freeze' AND resource_id = ${account}`;
  expect(line?.ip).toBe("198.51.100.7");
});

it("a line has why it was done, where the operator said it", async () => {
  const account = await stage.makeAccount();
  const act = (what: string, body?: object) =>
    stage.call(`/v1/admin/accounts/${account}/${what}`, { method: "POST", ...(body && { body }) });
  const why = "The card was reported as stolen.";
  expect((await act("freeze", { reason: why })).status).toBe(200);
  expect((await act("unfreeze", {})).status).toBe(200);
  expect((await act("deactivate")).status).toBe(200);
  for (const body of [{ reason: "" }, { reason: "x".repeat(501) }, { reason: 1 }, { why }]) {
    expect((await act("freeze", body)).status).toBe(422);
  }
  const lines = await stage.db.admin`
    SELECT action, metadata ->> 'why' AS why FROM ducat.audit_logs
    WHERE resource_id = ${account} AND action <> 'account.create' ORDER BY id`;
  expect(lines.map(({ action, why }) => [action, why])).toEqual([
    ["account.freeze", why],
    ["account.freeze", null],
    ["account.deactivate", null],
  ]);
});
