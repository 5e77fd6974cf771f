import { randomUUID } from "node:crypto";
import { reportAnomaly } from "@ducat/db/payment-anomalies";
import { recordRefund, reserveRefund } from "@ducat/db/refunds";
import { claimWebhookEvent, finishWebhookEvent, storeWebhookEvent } from "@ducat/db/webhook-events";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bodyOf, takeOwn } from "../test/matrix-entries.ts";
import { listOperations, type Operation } from "../test/operations.ts";
import { type Call, type Stage, setStage } from "../test/stage.ts";
import { makeTenant, type Tenant } from "../test/tenant.ts";

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

const codeOf = async () =>
  (await stage.call("/v1/admin/promo-codes", { body: { code: randomUUID(), credits: 1 } })).body.id;

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
  "POST /v1/admin/webhook-events/{id}/discard": async () => ({
    path: `/v1/admin/webhook-events/${await makeEvent()}/discard`,
  }),
  "POST /v1/admin/webhook-events/{id}/replay": async () => ({
    path: `/v1/admin/webhook-events/${await makeEvent()}/replay`,
  }),
};

const isWrite = ({ method, path }: Operation) =>
  path.startsWith("/v1/admin/") && !["GET", "HEAD"].includes(method);

/** What doing it once leaves in the audit log, as "actor action", or how it failed. */
async function tryOnce(operation: Operation): Promise<string[]> {
  const { name, method, pathNames, readsAccount, readsKey } = operation;
  const asked = await asks[name]?.();
  const id = asked || pathNames.length === 0 ? "" : await takeOwn(operation, owner);
  const { path, ...more } = asked ?? { path: operation.path.replace(/\{\w+\}/, id) };
  const body = bodyOf(operation);
  const { status, headers, text } = await stage.call(path, {
    ...{ method, ...(body && { body }) },
    ...(readsAccount && { account: owner.accountId }),
    ...(readsKey && { key: randomUUID() }),
    ...more,
  });
  const lines = await stage.db.admin`
    SELECT actor, action FROM ducat.audit_logs
    WHERE request_id = ${headers.get("x-request-id")}`;
  // A provider may refuse what was asked of it: that it was asked is written before.
  if (lines.length === 0) return [`${status}: ${text}`];
  return lines.map(({ actor, action }) => `${actor} ${action}`);
}

it("every write of admins leaves a line that names its request and who asked", async () => {
  const writes = (await listOperations(stage)).filter(isWrite);
  const lines: Record<string, string[]> = {};
  for (const operation of writes) {
    lines[operation.name] = await tryOnce(operation);
    // The next ones are about an account that is active.
    const restore = `/v1/admin/accounts/${owner.accountId}/activate`;
    if (operation.name.endsWith("/deactivate")) await stage.call(restore, { method: "POST" });
  }
  expect(writes.length).toBeGreaterThanOrEqual(24);
  const wrong = Object.entries(lines).filter(
    ([, found]) => found.length !== 1 || !/^root [a-z_]+\.[a-z_]+$/.test(found[0] ?? ""),
  );
  expect(wrong).toEqual([]);
});
