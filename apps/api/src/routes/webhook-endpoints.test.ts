import { randomUUID } from "node:crypto";
import { claimDeliveries, settleDelivery } from "@ducat/db/webhook-deliveries";
import {
  AdminDeliveryPage,
  NewWebhookEndpoint,
  WebhookDeliveryDetail,
  WebhookEndpoint,
  WebhookSecret,
} from "@ducat/types/webhook-endpoints";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { hostileUrls } from "../../../../packages/egress/test/hostile-urls.ts";
import { parseCsv } from "../../test/parse-csv.ts";
import { type Call, rootKey, type Stage, setStage } from "../../test/stage.ts";
import { makeSession } from "../../test/tenant.ts";

const url = "https://hooks.example/ducat";
let stage: Stage;
let account: string;
beforeAll(async () => {
  stage = await setStage({ deps: { fetchAllowHosts: ["127.0.0.1:9"] } });
  account = await stage.makeAccount();
});
afterAll(() => stage.close());

const own = "/v1/webhook-endpoints";
const ours = "/v1/admin/webhook-endpoints";
const ask = (path: string, call: Call = {}) => stage.call(path, { account, ...call });
const make = async (body: object = {}, of: Call & { at?: string } = {}) => {
  const { at = own, ...call } = of;
  const made = await ask(at, { body: { url, ...body }, ...call });
  expect(made.status).toBe(201);
  return NewWebhookEndpoint.parse(made.body);
};
/** What a worker would take now; each claim counts as a try that came to nothing. */
const fail = async (endpointId: string, error = "timeout") => {
  const claims = await claimDeliveries(stage.db.worker, { limit: 100, leaseSeconds: 60 });
  for (const { accountId, id, token } of claims.filter((one) => one.endpointId === endpointId)) {
    const result = { ok: false, ms: 15_000, error };
    await settleDelivery(stage.db.worker, { accountId, id, token, result });
  }
};

/** What holds for an account's endpoints and for the deployment's alike. */
describe.each([
  ["an account's", own],
  ["the deployment's", ours],
])("%s webhook endpoints", (_, path) => {
  const at = (id: string, rest = "") => `${path}/${id}${rest}`;

  it("are made, listed, changed, disabled and removed", async () => {
    const made = await make({ description: "Shop", events: ["credits.low"] }, { at: path });
    const { secret, ...shown } = made;
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(shown).toMatchObject({ url, description: "Shop", events: ["credits.low"] });
    expect(shown).toMatchObject({ status: "enabled", failures: 0, failing_since: null });
    expect((await ask(at(made.id))).body).toEqual(shown);
    const listed = await ask(path);
    expect(listed.body.data[0]).toEqual(shown);
    expect(listed.text).not.toContain("whsec_");

    const change = { url: `${url}/2`, description: null, events: null, status: "disabled" };
    const changed = await ask(at(made.id), { method: "PATCH", body: change });
    expect(WebhookEndpoint.parse(changed.body)).toMatchObject({
      ...{ ...change, disabled_reason: "manual" },
    });
    const enable = { method: "PATCH", body: { status: "enabled" } };
    expect((await ask(at(made.id), enable)).body.disabled_reason).toBeNull();

    const removed = await ask(at(made.id), { method: "DELETE" });
    expect([removed.status, removed.text]).toEqual([204, ""]);
    for (const [method, rest] of [
      ["GET", ""],
      ["GET", "/secret"],
      ["GET", "/deliveries"],
      ["DELETE", ""],
      ["POST", "/test"],
    ] as const) {
      expect((await ask(at(made.id, rest), { method })).status, `${method} ${rest}`).toBe(404);
    }
  });

  it("sign with both secrets while the former one is let", async () => {
    const { id, secret } = await make({}, { at: path });
    expect((await ask(at(id, "/secret"))).body).toEqual({ secret, former: [] });
    const rotate = async (body: object) =>
      WebhookSecret.parse((await ask(at(id, "/rotate"), { body })).body);
    const second = await rotate({});
    expect(second.former.map((one) => one.secret)).toEqual([secret]);
    const days = (Date.parse(second.former[0]?.expires_at ?? "") - Date.now()) / 86_400_000;
    expect(days).toBeCloseTo(1, 2);
    expect(second.secret).not.toBe(secret);
    expect((await ask(at(id, "/secret"))).body).toEqual(second);
    expect((await rotate({ overlap_s: 0 })).former).toEqual([]);
    const tooLong = await ask(at(id, "/rotate"), { body: { overlap_s: 604_801 } });
    expect(tooLong.status).toBe(422);
  });

  it("get a new secret also where the former one's key is gone", async () => {
    const { id } = await make({}, { at: path });
    await stage.db.admin`
      UPDATE ducat.webhook_endpoints
      SET secrets = jsonb_build_array(jsonb_build_object('sealed', ${"x".repeat(60)}::text))
      WHERE id = ${id}`;
    expect((await ask(at(id, "/secret"))).status).toBe(500);
    const rotated = await ask(at(id, "/rotate"), { body: {} });
    expect(WebhookSecret.parse(rotated.body).former).toEqual([]);
    expect((await ask(at(id, "/secret"))).body).toEqual(rotated.body);
  });

  it("get a test, whose tries are told, and get it again", async () => {
    const { id } = await make({ events: ["credits.low"] }, { at: path });
    const sent = await ask(at(id, "/test"), { method: "POST" });
    expect([sent.status, sent.body.event_type, sent.body.status]).toEqual([
      ...[201, "webhook.test", "pending"],
    ]);
    await fail(id);
    const log = await ask(at(id, "/deliveries"));
    expect(log.body.next_cursor).toBeNull();
    expect(log.body.data).toHaveLength(1);
    const one = at(id, `/deliveries/${sent.body.id}`);
    const detail = WebhookDeliveryDetail.parse((await ask(one)).body);
    expect(detail.tries).toMatchObject([{ status: null, ms: 15_000, error: "timeout" }]);
    expect(detail.next_try_at).not.toBeNull();
    expect(detail.event).toMatchObject({ id: sent.body.event_id, data: { endpoint_id: id } });
    const again = await ask(`${one}/replay`, { method: "POST" });
    expect(again.body).toMatchObject({ id: sent.body.id, status: "pending", attempts: 0 });
    expect(again.body.tries).toHaveLength(1);
    await ask(at(id), { method: "PATCH", body: { status: "disabled" } });
    for (const rest of ["/test", `/deliveries/${sent.body.id}/replay`]) {
      const refused = await ask(at(id, rest), { method: "POST" });
      expect([refused.status, refused.body.reason]).toEqual([409, "endpoint_disabled"]);
    }
  });

  it("get what failed again, by time", async () => {
    const { id } = await make({}, { at: path });
    const sent = [];
    for (let n = 0; n < 3; n++) sent.push((await ask(at(id, "/test"), { method: "POST" })).body);
    await stage.db.admin`UPDATE ducat.webhook_deliveries
      SET status = 'failed', due_at = NULL, ended_at = now() WHERE endpoint_id = ${id}`;
    const replay = (body: object) => ask(at(id, "/replay"), { body });
    const events = sent.map((one) => one.event_id);
    const dry = await replay({ dry_run: true, limit: 2 });
    expect(dry.body).toEqual({ dry_run: true, count: 2, ids: events.slice(0, 2) });
    expect((await replay({ to: "2026-01-01T00:00:00Z" })).body.count).toBe(0);
    expect((await replay({ what: "failed" })).body.ids).toEqual(events);
    expect((await replay({})).body.count).toBe(0);
    const waiting = await ask(at(id, "/deliveries?status=pending&limit=2"));
    expect(waiting.body.data).toHaveLength(2);
    const rest = `/deliveries?status=pending&cursor=${waiting.body.next_cursor}`;
    expect((await ask(at(id, rest))).body.data).toHaveLength(1);
    expect((await ask(at(id, "/deliveries?type=credits.low"))).body.data).toEqual([]);
  });

  it("are refused where nothing would ever be sent, when made and when changed", async () => {
    const { id } = await make({}, { at: path });
    const names = /^https:\/\/(photos|loopback)\.test[:/\\]|@photos\.test\/$|localdomain/;
    const taken: string[] = [];
    for (const hostile of hostileUrls(443).filter((one) => !names.test(one))) {
      const body = { url: hostile };
      const made = await ask(path, { body });
      const changed = await ask(at(id), { method: "PATCH", body });
      for (const { status, body } of [made, changed]) {
        if (status !== 422 || body.errors[0].pointer !== "/url") taken.push(hostile);
      }
    }
    expect(taken).toEqual([]);
    const allowed = "http://127.0.0.1:9/hooks";
    expect((await make({ url: allowed }, { at: path })).url).toBe(allowed);
  });

  it.each([
    ["an unknown type", { events: ["credits.stolen"] }],
    ["a type twice", { events: ["credits.low", "credits.low"] }],
    ["no type", { events: [] }],
    ["a secret of one's own", { secret: "whsec_x" }],
    ["a status", { status: "disabled" }],
  ])("are refused with %s", async (_, more) => {
    expect((await ask(path, { body: { url, ...more } })).status).toBe(422);
  });
});

describe("webhook endpoints", () => {
  it("are sixteen of an account at most, also when asked for at once", async () => {
    const who = await stage.makeAccount();
    const all = await Promise.all(
      Array.from({ length: 20 }, () => stage.call(own, { account: who, body: { url } })),
    );
    const refused = all.filter(({ status }) => status !== 201);
    expect(refused.map(({ status, body }) => [status, body.reason, body.limit])).toEqual(
      Array(4).fill([409, "too_many_endpoints", 16]),
    );
  });

  it("are nothing to another account, nor the deployment's to any", async () => {
    const stranger = await stage.makeAccount();
    const theirs = await make();
    const test = await ask(`${own}/${theirs.id}/test`, { method: "POST" });
    const deployment = await make({}, { at: ours });
    const mine = await make({}, { account: stranger });
    for (const [path, who] of [
      [`${own}/${theirs.id}`, stranger],
      [`${own}/${deployment.id}`, stranger],
      [`${ours}/${theirs.id}`, undefined],
      // A delivery is found under its own endpoint only.
      [`${own}/${mine.id}/deliveries/${test.body.id}`, stranger],
    ] as const) {
      const found = await stage.call(path, { account: who });
      expect([found.status, found.body.code], path).toEqual([404, "not_found"]);
    }
    expect((await stage.call(own, { account: stranger })).body.data).toHaveLength(1);
  });

  it("are for servers and people, not for tokens of browsers", async () => {
    const token = await stage.call(`/v1/accounts/${account}/tokens`, { body: {} });
    expect(token.body.scopes).not.toContain("webhooks");
    const wish = { scopes: ["webhooks"] };
    expect((await stage.call(`/v1/accounts/${account}/tokens`, { body: wish })).status).toBe(422);
    const key = await ask("/v1/api-keys", { body: { name: "k", ...wish } });
    const { access } = await makeSession(stage, account);
    const statusFor = async (bearer: string, path = own) =>
      (await stage.call(path, { bearer })).status;
    expect(await statusFor(token.body.token)).toBe(403);
    expect(await statusFor(token.body.token, "/v1/webhook-secret")).toBe(403);
    expect(await statusFor(key.body.key)).toBe(200);
    expect(await statusFor(access)).toBe(200);
    expect(await statusFor(key.body.key, ours)).toBe(403);
  });

  it("leave audit lines without any secret or address", async () => {
    const word = `canary-${randomUUID()}`;
    const { id } = await make({ url: `https://hooks.example/${word}`, description: word });
    await ask(`${own}/${id}/rotate`, { body: {} });
    await ask(`${own}/${id}`, { method: "PATCH", body: { url: `https://h.example/${word}/2` } });
    await ask(`${own}/${id}`, { method: "DELETE" });
    const lines = await stage.db.admin`
      SELECT action, actor, account_id, row_to_json(a)::text AS line FROM ducat.audit_logs a
      WHERE resource_id = ${id} ORDER BY a.id`;
    expect(lines.map(({ action }) => action)).toEqual(
      ["create", "rotate", "update", "delete"].map((verb) => `webhook_endpoint.${verb}`),
    );
    for (const { actor, account_id, line } of lines) {
      expect([actor, account_id]).toEqual(["root", account]);
      expect(line).not.toMatch(/whsec_|sealed/);
      expect(line).not.toContain(word);
    }
  });

  it("are kept sealed", async () => {
    const { id, secret } = await make();
    const [row] = await stage.db.admin`
      SELECT row_to_json(e)::text AS text FROM ducat.webhook_endpoints e WHERE id = ${id}`;
    expect(row?.text).not.toContain(secret.slice("whsec_".length));
    expect(stage.lines.join("")).not.toContain("whsec_");
  });
});

describe("the secret for webhook_url", () => {
  it("is made when it is first asked for, once, and rotates", async () => {
    const who = await stage.makeAccount();
    const read = () => stage.call("/v1/webhook-secret", { account: who });
    const all = await Promise.all(Array.from({ length: 8 }, read));
    expect(new Set(all.map(({ text }) => text)).size).toBe(1);
    const first = WebhookSecret.parse(all[0]?.body);
    const rotated = await stage.call("/v1/webhook-secret/rotate", {
      ...{ account: who, body: { overlap_s: 60 } },
    });
    const second = WebhookSecret.parse(rotated.body);
    expect(second.former.map((one) => one.secret)).toEqual([first.secret]);
    expect((await read()).body).toEqual(second);
    const other = await stage.call("/v1/webhook-secret", { account });
    expect(other.body.secret).not.toBe(first.secret);
  });
});

describe("GET /v1/admin/deliveries", () => {
  const list = (query: string, call: Call = {}) =>
    stage.call(`/v1/admin/deliveries?${query}`, call);
  let mine: string;
  let endpoint: string;
  beforeAll(async () => {
    mine = await stage.makeAccount();
    endpoint = (await make({}, { account: mine })).id;
    const test = { method: "POST", account: mine };
    for (let n = 0; n < 3; n++) await stage.call(`${own}/${endpoint}/test`, test);
    await fail(endpoint, "=cmd()");
  });

  it("finds by account, endpoint, status and type", async () => {
    const { data } = AdminDeliveryPage.parse((await list(`account=${mine}`)).body);
    expect(data).toHaveLength(3);
    expect(data[0]).toMatchObject({
      ...{ endpoint_id: endpoint, account_id: mine, owner_id: mine, kind: "endpoint" },
    });
    for (const [query, count] of [
      [`endpoint=${endpoint}&status=pending`, 3],
      [`endpoint=${endpoint}&status=delivered`, 0],
      [`endpoint=${endpoint}&type=webhook.test`, 3],
      [`endpoint=${endpoint}&type=credits.low`, 0],
      [`endpoint=${endpoint}&to=2026-01-01T00:00:00Z`, 0],
    ] as const) {
      expect((await list(query)).body.data, query).toHaveLength(count);
    }
    expect((await list("account=nobody-here")).status).toBe(404);
    expect((await list("status=lost")).status).toBe(422);
  });

  it("is a CSV where that is preferred, without formulas", async () => {
    const { headers, text } = await list(`endpoint=${endpoint}`, {
      headers: { accept: "text/csv" },
    });
    expect(headers.get("content-type")).toContain("text/csv");
    const [header = [], ...rows] = parseCsv(text);
    expect(rows).toHaveLength(3);
    const cells = (name: string) => rows.map((row) => row[header.indexOf(name)]);
    expect(new Set(cells("endpoint_id"))).toEqual(new Set([endpoint]));
    expect(cells("last_error")).toContain("'=cmd()");
  });

  it("is for administrators", async () => {
    const key = await ask("/v1/api-keys", { body: { name: "k", scopes: ["webhooks"] } });
    expect((await list("", { bearer: key.body.key })).status).toBe(403);
    expect((await list("", { bearer: rootKey })).status).toBe(200);
  });
});

it("no schema of a list or an endpoint has a member for its secret", () => {
  for (const schema of [WebhookEndpoint, AdminDeliveryPage, WebhookDeliveryDetail]) {
    expect(JSON.stringify(z.toJSONSchema(schema))).not.toContain("whsec_");
  }
});
