import { randomUUID } from "node:crypto";
import { reportAnomaly } from "@ducat/db/payment-anomalies";
import { recordRefund, reserveRefund } from "@ducat/db/refunds";
import { registerUpkeepTasks } from "@ducat/db/upkeep";
import { claimWebhookEvent, finishWebhookEvent, storeWebhookEvent } from "@ducat/db/webhook-events";
import { afterAll, beforeAll, expect, it } from "vitest";
import { listChanges, readChecksums } from "../test/checksums.ts";
import { bodyOf, takeOwn } from "../test/matrix-entries.ts";
import { listOperations, type Operation } from "../test/operations.ts";
import { type Call, type Stage, setStage } from "../test/stage.ts";
import { makeSession, makeTenant, type Tenant } from "../test/tenant.ts";

let stage: Stage;
let owner: Tenant;
let account: string;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
  const stamps = { kind: "stock", name: { en: "Stamps" }, position: 91, counts: "spent" };
  const letters = { kind: "limit", name: { en: "Letters" }, position: 90, limit: 5 };
  const features = stage.db.admin.json({
    letters: { ...letters, period: "month", reset: "calendar" },
    stamps,
  });
  await stage.db.admin`
    UPDATE ducat.products SET features = features || ${features} WHERE is_default`;
  owner = await makeTenant(stage, "vendor", `writes-${randomUUID()}`);
  account = await stage.makeAccount();
});
afterAll(() => stage.close());

async function makeEvent(): Promise<string> {
  const dedupe = randomUUID();
  const event = { provider: "sandbox", mode: "test", dedupe, deliveryId: dedupe } as const;
  const body = Buffer.from("{}");
  const more = { type: "invoice.paid", occurredAt: new Date(), body };
  const { id } = await storeWebhookEvent(stage.db.app, { ...event, ...more });
  const reach = { providers: ["sandbox"], mode: "test" as const, leaseSeconds: 60 };
  const claim = await claimWebhookEvent(stage.db.worker, id, reach);
  if (claim) await finishWebhookEvent(stage.db.worker, claim, { status: "dead", error: "no" });
  return id;
}

async function makeAnomaly(): Promise<string> {
  const about = `cs_${randomUUID()}`;
  const said = { provider: "stripe", mode: "test", kind: "payment_unknown", about } as const;
  await reportAnomaly(stage.db.worker, { ...said, data: {} });
  const [row] = await stage.db.admin`
    SELECT id FROM ducat.payment_anomalies WHERE about = ${about}`;
  return row?.id;
}

/** A refund of which the provider's answer got lost. */
async function makeLostRefund(): Promise<string> {
  const paymentId = await owner.make.payment();
  const audit = { actor: "test", request_id: "test", ip: null };
  const key = { key: randomUUID(), fingerprint: Buffer.alloc(32) };
  const request = { ...key, paymentId, amount: 1, reason: "a test", audit };
  const { refund } = await reserveRefund(stage.db.app, owner.accountId, request);
  await recordRefund(stage.db.worker, refund.id, { status: "unknown", error: "Look for it." });
  return `${paymentId}/refunds/${refund.id}`;
}

async function makeTask(): Promise<string> {
  const name = `t-${randomUUID()}`;
  const task = { name, about: "", everySeconds: 3_600, isParallel: false };
  await registerUpkeepTasks(stage.db.worker, [task]);
  return name;
}

const codeOf = async () =>
  (await stage.call("/v1/admin/promo-codes", { body: { code: randomUUID(), credits: 1 } })).body.id;

/** A mail that could not be sent. */
async function makeMessage(): Promise<string> {
  const [row] = await stage.db.admin`
    INSERT INTO ducat.messages (account_id, kind, channel, data, effect_key, status, attempts)
    VALUES (${account}, 'receipt', 'email', '{}', ${randomUUID()}, 'failed', 1) RETURNING id`;
  return row?.id;
}

const password = Buffer.alloc(32);
/** A login that has a second factor. */
async function makeGuarded(): Promise<string> {
  const { loginId } = await makeSession(stage, await stage.makeAccount());
  await stage.db.admin`
    INSERT INTO ducat.login_totps (login_id, secret, active_at)
    VALUES (${loginId}, ${password}, now())`;
  return loginId;
}

const endpoints = "/v1/admin/webhook-endpoints";
/** One of the deployment's endpoints, with a delivery of its own. */
async function makeEndpoint(): Promise<{ endpoint: string; delivery: string }> {
  const { body } = await stage.call(endpoints, { body: { url: "https://hooks.example/" } });
  const endpoint = `${endpoints}/${body.id}`;
  const sent = await stage.call(`${endpoint}/test`, { method: "POST" });
  return { endpoint, delivery: `${endpoint}/deliveries/${sent.body.id}` };
}
/** Asks something of such an endpoint. */
const onEndpoint =
  (rest = "") =>
  async () => ({
    path: `${(await makeEndpoint()).endpoint}${rest}`,
  });

const style = "/v1/admin/styles/cottage_garden";
let prompts = 0;
const newStyle = () => ({
  ...{ name: "A style", description: "For a test.", category: "test", kind: "text" },
  ...{ generator: "local", prompt: `no. ${++prompts}`, cost: 1 },
});
/** The catalog that is sold already, so that what the others are about stays. */
const readCatalog = async () => (await stage.call("/v1/admin/catalog")).body;

const reason = "a test";
/** What is asked where the description's examples have nothing to act on. */
const asks: Record<string, () => Promise<Call & { path: string }>> = {
  "PUT /v1/admin/accounts/{id}/features/{feature}": async () => ({
    path: `/v1/admin/accounts/${account}/features/letters`,
  }),
  "DELETE /v1/admin/accounts/{id}/features/{feature}": async () => ({
    path: `/v1/admin/accounts/${account}/features/letters`,
  }),
  "POST /v1/admin/accounts/{id}/allowances": async () => ({
    path: `/v1/admin/accounts/${account}/allowances`,
    body: { feature: "stamps", amount: 1, reason },
  }),
  "PUT /v1/admin/accounts/{id}/plan": async () => ({
    path: `/v1/admin/accounts/${account}/plan`,
    body: { plan: "monthly_pro" },
  }),
  "PATCH /v1/admin/promo-codes/{id}": async () => ({
    path: `/v1/admin/promo-codes/${await codeOf()}`,
  }),
  "POST /v1/admin/anomalies/{id}/resolve": async () => ({
    path: `/v1/admin/anomalies/${await makeAnomaly()}/resolve`,
  }),
  "POST /v1/admin/clock/advance": async () => ({
    path: "/v1/admin/clock/advance",
    body: { account, seconds: 1 },
  }),
  "POST /v1/admin/payments/{id}/refunds/{refund_id}/resolve": async () => ({
    path: `/v1/admin/payments/${await makeLostRefund()}/resolve`,
  }),
  "POST /v1/admin/reconciliation": async () => ({
    path: "/v1/admin/reconciliation",
    body: { provider: "sandbox" },
  }),
  "POST /v1/admin/catalog": async () => ({
    path: "/v1/admin/catalog",
    body: (await readCatalog()).document,
  }),
  "POST /v1/admin/catalog/restore": async () => ({
    path: "/v1/admin/catalog/restore",
    body: { version: (await readCatalog()).version },
  }),
  "PUT /v1/admin/config/{key}": async () => ({
    path: "/v1/admin/config/audit_retention_days",
    body: { value: 99 },
  }),
  "DELETE /v1/admin/config/{key}": async () => {
    const path = "/v1/admin/config/trial_credits";
    await stage.call(path, { method: "PUT", body: { value: 4 } });
    return { path };
  },
  "DELETE /v1/admin/accounts/{id}/plan": async () => ({
    path: `/v1/admin/accounts/${account}/plan`,
  }),
  "DELETE /v1/admin/logins/{id}/totp": async () => ({
    path: `/v1/admin/logins/${await makeGuarded()}/totp`,
  }),
  "POST /v1/admin/messages/{id}/retry": async () => ({
    path: `/v1/admin/messages/${await makeMessage()}/retry`,
  }),
  "POST /v1/admin/messages/{id}/discard": async () => ({
    path: `/v1/admin/messages/${await makeMessage()}/discard`,
  }),
  "POST /v1/admin/styles": async () => ({
    path: "/v1/admin/styles",
    body: { id: `new_${++prompts}`, ...newStyle() },
  }),
  "PUT /v1/admin/styles/{id}": async () => ({ path: style, body: newStyle() }),
  "POST /v1/admin/styles/{id}/restore": async () => ({
    path: `${style}/restore`,
    body: { version: 1 },
  }),
  "POST /v1/admin/styles/{id}/activate": async () => ({ path: `${style}/activate` }),
  "POST /v1/admin/styles/{id}/deactivate": async () => ({ path: `${style}/deactivate` }),
  "POST /v1/admin/tasks/{name}/run": async () => ({
    path: `/v1/admin/tasks/${await makeTask()}/run`,
  }),
  "PATCH /v1/admin/webhook-endpoints/{id}": onEndpoint(),
  "DELETE /v1/admin/webhook-endpoints/{id}": onEndpoint(),
  "POST /v1/admin/webhook-endpoints/{id}/rotate": onEndpoint("/rotate"),
  "POST /v1/admin/webhook-endpoints/{id}/test": onEndpoint("/test"),
  "POST /v1/admin/webhook-endpoints/{id}/replay": onEndpoint("/replay"),
  "POST /v1/admin/webhook-endpoints/{id}/deliveries/{delivery_id}/replay": async () => ({
    path: `${(await makeEndpoint()).delivery}/replay`,
  }),
  "POST /v1/admin/webhook-events/{id}/discard": async () => ({
    path: `/v1/admin/webhook-events/${await makeEvent()}/discard`,
  }),
  "POST /v1/admin/webhook-events/{id}/replay": async () => ({
    path: `/v1/admin/webhook-events/${await makeEvent()}/replay`,
  }),
};

const isWrite = ({ method, path }: Operation) =>
  path.startsWith("/v1/admin/") && !["GET", "HEAD"].includes(method);

/** How it is asked, with something of its own to act on. */
async function prepare(operation: Operation): Promise<Call & { path: string }> {
  const { name, method, pathNames, readsAccount, readsKey } = operation;
  const asked = await asks[name]?.();
  const id = asked || pathNames.length === 0 ? "" : await takeOwn(operation, owner);
  const { path, ...more } = asked ?? { path: operation.path.replace(/\{\w+\}/, id) };
  const body = bodyOf(operation);
  return {
    ...{ path, method, ...(body && { body }) },
    ...(readsAccount && { account: owner.accountId }),
    ...(readsKey && { key: randomUUID() }),
    ...more,
  };
}

/** What doing it once leaves in the audit log, as "actor action", or how it failed. */
async function tryOnce({ path, ...how }: Call & { path: string }): Promise<string[]> {
  const { status, headers, text } = await stage.call(path, how);
  const lines = await stage.db.admin`
    SELECT actor, action FROM ducat.audit_logs
    WHERE request_id = ${headers.get("x-request-id")}`;
  // A provider may refuse what was asked of it: that it was asked is written before.
  if (lines.length === 0) return [`${status}: ${text}`];
  return lines.map(({ actor, action }) => `${actor} ${action}`);
}

/** How asking it is answered while no line can be written, and what has changed by then. */
async function tryUnheard({ path, ...how }: Call & { path: string }): Promise<string[]> {
  const before = await readChecksums(stage.db.admin);
  await stage.db.admin.unsafe("ALTER TABLE ducat.audit_logs ENABLE TRIGGER deaf");
  const { status, body } = await stage.call(path, how);
  await stage.db.admin.unsafe("ALTER TABLE ducat.audit_logs DISABLE TRIGGER deaf");
  const changed = listChanges(before, await readChecksums(stage.db.admin));
  return [
    ...(status === 500 && body.code === "internal" ? [] : [`answers ${status}`]),
    ...changed.map((at) => `changes ${at}`),
  ];
}

it("every write of admins leaves a line that names its request and who asked, or nothing", async () => {
  // In this test's own database: whoever writes a line is refused.
  await stage.db.admin.unsafe(`
    CREATE FUNCTION ducat.refuse_line() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the audit log is deaf'; END $$;
    CREATE TRIGGER deaf BEFORE INSERT ON ducat.audit_logs
      FOR EACH STATEMENT EXECUTE FUNCTION ducat.refuse_line();
    ALTER TABLE ducat.audit_logs DISABLE TRIGGER deaf`);
  const writes = (await listOperations(stage)).filter(isWrite);
  const lines: Record<string, string[]> = {};
  const unheard: Record<string, string[]> = {};
  for (const operation of writes) {
    const how = await prepare(operation);
    const faults = await tryUnheard(how);
    if (faults.length > 0) unheard[operation.name] = faults;
    lines[operation.name] = await tryOnce(how);
    // The next ones are about an account that is active.
    const restore = `/v1/admin/accounts/${owner.accountId}/activate`;
    if (operation.name.endsWith("/deactivate")) await stage.call(restore, { method: "POST" });
  }
  expect(writes.length).toBeGreaterThanOrEqual(40);
  expect(unheard).toEqual({});
  const wrong = Object.entries(lines).filter(
    ([, found]) => found.length !== 1 || !/^root [a-z_]+\.[a-z_]+$/.test(found[0] ?? ""),
  );
  expect(wrong).toEqual([]);
});
