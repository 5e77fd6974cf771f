import { randomUUID } from "node:crypto";
import { choose } from "@ducat/billing/sandbox-payments";
import { findOrder, openPayment } from "@ducat/db/payments";
import { recordRefund, reserveRefund } from "@ducat/db/refunds";
import { openPage } from "@ducat/payments/open-page";
import type { PaymentDeps } from "@ducat/payments/providers";
import { settleOrder } from "@ducat/payments/settle-order";
import { type AdminPayment, AdminPaymentPage, PaymentRefund } from "@ducat/types/admin-payments";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startStripeRig } from "../../../../packages/billing/test/stripe-rig.ts";
import { makeOffer } from "../../../../packages/db/test/billing-factories.ts";
import { type Call, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

/** A pack of 100 credits for USD 9.00, paid by the customer and delivered. */
async function buy(at: Stage = stage, pay = paySandbox) {
  const { payments } = at.deps;
  const [provider] = payments.providers.keys();
  if (!provider) throw new Error("there is no provider");
  const accountId = await at.makeAccount();
  const { price } = await makeOffer(at.db.admin, {}, { provider });
  const order = { priceId: price.id, provider, mode: "test" as const };
  const payment = await openPayment(at.db.app, accountId, {
    ...{ ...order, returnUrl: "https://app.example.com/done" },
  });
  await openPage(payments, payment);
  const waiting = await findOrder(at.db.app, { reference: payment.reference });
  if (!waiting?.attempt?.ref) throw new Error("no page was opened");
  await pay(payments, waiting.attempt.ref);
  const settled = await settleOrder(payments, waiting);
  expect(settled.payment.status).toBe("succeeded");
  return { accountId, id: payment.id, reference: payment.reference };
}

async function paySandbox({ sandbox }: PaymentDeps, page: string) {
  if (sandbox) await choose(sandbox, page, { outcome: "success" });
}

const refund = (id: string, body: object, more: Call = {}, at: Stage = stage) =>
  at.call(`/v1/admin/payments/${id}/refund`, { key: randomUUID(), body, ...more });
const available = async (account: string) =>
  (await stage.call("/v1/credits/balance", { account })).body.available;

describe("POST /v1/admin/payments/:id/refund", () => {
  it("pays a part and then the rest back, with the credits, and says so in the list", async () => {
    const paid = await buy();
    const part = await refund(paid.id, { amount: 450, reason: "half of it" });
    expect(part.status).toBe(201);
    expect(PaymentRefund.parse(part.body)).toMatchObject({
      ...{ payment_id: paid.id, status: "succeeded", error: null, reason: "half of it" },
      amount: { amount: 450, currency: "USD" },
    });
    expect(await available(paid.accountId)).toBe(53);
    expect((await refund(paid.id, { reason: "the rest" })).body.amount.amount).toBe(450);
    const { body } = await stage.call(`/v1/admin/payments?text=${paid.id}`);
    expect(AdminPaymentPage.parse(body).data).toMatchObject([
      {
        ...{ id: paid.id, account_id: paid.accountId, status: "reversed", credits_clawed: 100 },
        refunded: { amount: 900, currency: "USD" },
        refunds: [
          { status: "succeeded", reason: "the rest", actor: "root" },
          { status: "succeeded", reason: "half of it" },
        ],
      },
    ]);
  });

  it("is one refund per key, for twenty that ask at once", async () => {
    const paid = await buy();
    const key = randomUUID();
    const calls = Array.from({ length: 20 }, () =>
      refund(paid.id, { amount: 90, reason: "r" }, { key }),
    );
    const all = await Promise.all(calls);
    expect(new Set(all.map(({ body }) => body.id)).size).toBe(1);
    expect(all.filter(({ headers }) => headers.has("idempotent-replayed"))).toHaveLength(19);
    expect(await available(paid.accountId)).toBe(93);
    const again = await refund(paid.id, { amount: 90, reason: "r" }, { key });
    expect([again.status, again.body.status]).toEqual([201, "succeeded"]);
    const other = await refund(paid.id, { amount: 91, reason: "r" }, { key });
    expect(other.body.code).toBe("idempotency_conflict");
  });

  it("answers 202 while the provider's answer is lost, and a repeat says how it stands", async () => {
    const rig = await startStripeRig();
    rig.clock.now = Date.now();
    const hasty = rig.remake({ timeoutMs: 200 });
    const other = await setStage();
    try {
      const providers = new Map([["stripe", hasty]] as const);
      Object.assign(other.deps.payments, { providers });
      const paid = await buy(other, async (_deps, page) => rig.pay(page));
      const key = randomUUID();
      rig.faults.add(rig.calls.refund, "hang_after");
      const lost = await refund(paid.id, { reason: "r" }, { key }, other);
      expect([lost.status, lost.body.status]).toEqual([202, "pending"]);
      const again = await refund(paid.id, { reason: "r" }, { key }, other);
      expect([again.status, again.headers.get("idempotent-replayed")]).toEqual([202, "true"]);
      const busy = await refund(paid.id, { reason: "r" }, {}, other);
      expect(busy.body).toMatchObject({ code: "invalid_state", reason: "refund_open" });
    } finally {
      await other.close();
      await rig.close();
    }
  });

  it("refuses more than is left, what was never paid, and what it doesn't know", async () => {
    const paid = await buy();
    const more = await refund(paid.id, { amount: 901, reason: "r" });
    expect([more.status, more.body]).toMatchObject([
      409,
      { code: "invalid_state", reason: "exceeds", left: 900 },
    ]);
    const accountId = await stage.makeAccount();
    const { price } = await makeOffer(stage.db.admin);
    const open = await openPayment(stage.db.app, accountId, {
      ...{ priceId: price.id, provider: "sandbox", mode: "test" },
    });
    expect((await refund(open.id, { reason: "r" })).body).toMatchObject({ reason: "not_paid" });
    for (const unknown of [randomUUID(), "nonsense"]) {
      expect((await refund(unknown, { reason: "r" })).status).toBe(404);
    }
  });

  it.each([
    ["/amount", { amount: 0, reason: "r" }],
    ["/amount", { amount: 1.5, reason: "r" }],
    ["/amount", { amount: 1e13, reason: "r" }],
    ["/reason", { amount: 1 }],
    ["/reason", { reason: "x".repeat(501) }],
  ])("is refused for a bad %s", async (pointer, body) => {
    const refused = await refund(randomUUID(), body);
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, pointer]);
  });

  it("asks for a key of ours and an Idempotency-Key", async () => {
    const id = randomUUID();
    expect((await refund(id, { reason: "r" }, { bearer: null })).status).toBe(401);
    const keyless = await refund(id, { reason: "r" }, { key: undefined });
    expect(keyless.body.code).toBe("idempotency_key_required");
  });
});

describe("POST /v1/admin/payments/:id/refunds/:refund_id/resolve", () => {
  /** A refund of which the provider's answer got lost. */
  async function lose() {
    const paid = await buy();
    const key = { key: randomUUID(), fingerprint: Buffer.alloc(32) };
    const audit = { actor: "root", request_id: "r", ip: null };
    const request = { ...key, paymentId: paid.id, amount: 450, reason: "half of it", audit };
    const { refund: open } = await reserveRefund(stage.db.app, paid.accountId, request);
    const error = "Look for it at the provider.";
    await recordRefund(stage.db.worker, open.id, { status: "unknown", error });
    const path = `/v1/admin/payments/${paid.id}/refunds/${open.id}/resolve`;
    const close = (outcome: string, more: Call = {}) =>
      stage.call(path, { body: { outcome, reason: "the panel shows it" }, ...more });
    return { ...paid, refundId: open.id, close };
  }

  it("ends a refund as somebody has seen it, with its credits and an audit line", async () => {
    const lost = await lose();
    const answer = await lost.close("succeeded");
    expect([answer.status, PaymentRefund.parse(answer.body)]).toMatchObject([
      200,
      { id: lost.refundId, payment_id: lost.id, status: "succeeded", error: null },
    ]);
    expect(await available(lost.accountId)).toBe(53);
    const again = await lost.close("succeeded");
    expect([again.status, again.text]).toEqual([200, answer.text]);
    expect(await available(lost.accountId)).toBe(53);
    const lines = await stage.db.admin`
      SELECT actor, action, request_id FROM ducat.audit_logs WHERE resource_id = ${lost.refundId}`;
    const request_id = answer.headers.get("x-request-id");
    expect(lines).toEqual([{ actor: "root", action: "refund.resolve", request_id }]);
    const other = await lost.close("failed");
    expect([other.status, other.body]).toMatchObject([
      409,
      { code: "invalid_state", reason: "decided", current_status: "succeeded" },
    ]);
  });

  it("frees the payment for another refund when it failed", async () => {
    const lost = await lose();
    expect((await refund(lost.id, { reason: "r" })).body).toMatchObject({ reason: "refund_open" });
    const { body } = await lost.close("failed");
    expect(body).toMatchObject({ status: "failed", error: "the panel shows it" });
    expect((await refund(lost.id, { amount: 450, reason: "r" })).status).toBe(201);
    expect(await available(lost.accountId)).toBe(53);
  });

  it("refuses what it doesn't know, a bad word, and who has no key", async () => {
    const [lost, other] = [await lose(), await lose()];
    for (const body of [{ outcome: "lost", reason: "r" }, { outcome: "failed" }, {}]) {
      expect((await lost.close("", { body })).status).toBe(422);
    }
    expect((await lost.close("failed", { bearer: null })).status).toBe(401);
    const body = { outcome: "failed", reason: "r" };
    for (const [id, refundId] of [
      [lost.id, other.refundId],
      [other.id, lost.refundId],
      [lost.id, randomUUID()],
      [randomUUID(), lost.refundId],
      ["x", lost.refundId],
      [lost.id, "x"],
    ]) {
      const path = `/v1/admin/payments/${id}/refunds/${refundId}/resolve`;
      expect((await stage.call(path, { body })).status).toBe(404);
    }
  });
});

describe("GET /v1/admin/payments", () => {
  const list = async (query: string) => {
    const { status, body } = await stage.call(`/v1/admin/payments${query}`);
    expect(status, JSON.stringify(body)).toBe(200);
    return AdminPaymentPage.parse(body);
  };
  const idsOf = ({ data }: { data: AdminPayment[] }) => data.map(({ id }) => id);

  it("shows every account's payments, newest first, page by page", async () => {
    const [first, second, third] = [await buy(), await buy(), await buy()];
    const page = await list("?limit=2");
    expect(idsOf(page)).toEqual([third.id, second.id]);
    const next = await list(`?limit=1&cursor=${page.next_cursor}`);
    expect(idsOf(next)).toEqual([first.id]);
  });

  it("finds a payment by account, state, or any of its names", async () => {
    const paid = await buy();
    const [row] = (await list(`?text=${paid.reference}`)).data;
    expect(row?.id).toBe(paid.id);
    expect(idsOf(await list(`?text=${row?.provider_ref}`))).toEqual([paid.id]);
    const filter = "&provider=sandbox&status=succeeded&purpose=pack";
    expect(idsOf(await list(`?account=${paid.accountId}${filter}`))).toEqual([paid.id]);
    expect(idsOf(await list(`?account=${paid.accountId}&status=failed`))).toEqual([]);
    expect((await stage.call("/v1/admin/payments?account=nobody")).status).toBe(404);
    expect((await stage.call("/v1/admin/payments?status=odd")).status).toBe(422);
  });
});
