import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeOffer, makePaid } from "../test/billing-factories.ts";
import { makeAccount, makeKey } from "../test/factories.ts";
import { refusalOf } from "../test/outcome.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { makeReversal } from "../test/reversal-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { listAnomalies, reportAnomaly } from "./payment-anomalies.ts";
import { closeRefund, findDueRefunds, recordRefund, reserveRefund } from "./refunds.ts";
import { applyReversal } from "./reversals.ts";

const database = useDatabase();
const audit = { actor: "root", request_id: "test", ip: null };

type Word = Partial<Parameters<typeof closeRefund>[2]>;

/** A refund of 300 of a payment of 900 for 100 credits, whose outcome nobody can tell. */
async function makeLost({ error = "Look for it at the provider.", amount = 300 } = {}) {
  const { id } = await makeAccount(database.app);
  const { price } = await makeOffer(database.admin);
  const payment = await makePaid(database.app, id, { priceId: price.id });
  const request = { ...makeKey(), paymentId: payment.id, amount, reason: "asked for it", audit };
  const { refund } = await reserveRefund(database.app, id, request);
  await recordRefund(database.worker, refund.id, { status: "unknown", error });
  const about = `${payment.provider_ref}:${refund.id}`;
  const word = { paymentId: payment.id, refundId: refund.id, reason: "the panel shows it" };
  return {
    ...{ id, payment, refund, about },
    report: () =>
      reportAnomaly(database.worker, {
        ...{ provider: "sandbox", mode: "test", kind: "refund_unknown", about, data: {} },
        paymentId: payment.id,
      }),
    close: (outcome: "succeeded" | "failed", more: Word = {}, db = database.app) =>
      closeRefund(db, id, { ...word, outcome, audit, ...more }),
    reserve: () => reserveRefund(database.app, id, { ...request, ...makeKey() }),
    /** What is left of the credits, what is gone of the money, and what was written of it. */
    async read() {
      const [row] = await database.admin`
        SELECT c.available - c.debt AS left, p.refunded, p.reversed, p.clawed,
          (SELECT status FROM ducat.payment_refunds WHERE id = ${refund.id}) AS status,
          (SELECT count(*) FROM ducat.audit_logs
           WHERE action = 'refund.resolve' AND resource_id = ${refund.id}) AS lines,
          (SELECT resolved_by FROM ducat.payment_anomalies WHERE about = ${about}) AS resolved_by
        FROM ducat.payments p JOIN ducat.credit_accounts c ON c.account_id = p.account_id
        WHERE p.id = ${payment.id}`;
      return row;
    },
  };
}

describe("close_refund", () => {
  it("counts one that succeeded as paid back, takes its credits and resolves the alarm", async () => {
    const lost = await makeLost();
    await lost.report();
    const closed = await lost.close("succeeded");
    expect(closed).toMatchObject({ id: lost.refund.id, status: "succeeded", amount: 300 });
    const after = {
      ...{ left: 3 + 66, refunded: 300, reversed: 300, clawed: 34 },
      ...{ status: "succeeded", lines: 1, resolved_by: "root" },
    };
    expect(await lost.read()).toEqual(after);
    expect(await lost.close("succeeded", { reason: "again" })).toEqual(closed);
    expect(await lost.read()).toEqual(after);
    const lines = await database.admin`
      SELECT actor, action, metadata ->> 'outcome' AS outcome, metadata ->> 'reason' AS reason
      FROM ducat.audit_logs WHERE account_id = ${lost.id} AND action = 'refund.resolve'`;
    const line = { actor: "root", action: "refund.resolve", outcome: "succeeded" };
    expect(lines).toEqual([{ ...line, reason: "the panel shows it" }]);
    expect(await listAnomalies(database.app, { open: true, limit: 100 })).toEqual([]);
    expect(await findDueRefunds(database.worker)).toEqual([]);
  });

  it("takes nothing for one that failed, and the next one may try", async () => {
    const lost = await makeLost();
    await lost.report();
    expect(await refusalOf(lost.reserve())).toMatchObject({ reason: "refund_open" });
    const closed = await lost.close("failed", { reason: "not in the panel" });
    expect(closed).toMatchObject({ status: "failed", error: "not in the panel" });
    expect(await lost.read()).toMatchObject({
      ...{ left: 103, refunded: 0, reversed: 0, status: "failed", resolved_by: "root", lines: 1 },
    });
    expect((await lost.reserve()).refund.status).toBe("reserved");
  });

  it("closes only what is unknown, and never the other way round", async () => {
    const lost = await makeLost();
    await lost.close("failed");
    const decided = { code: "invalid_state", reason: "decided", current_status: "failed" };
    expect(await refusalOf(lost.close("succeeded"))).toEqual(decided);
    const next = await lost.reserve();
    const word = { refundId: next.refund.id };
    const open = { code: "invalid_state", reason: "under_way", current_status: "reserved" };
    expect(await refusalOf(lost.close("failed", word))).toEqual(open);
    expect(await lost.read()).toMatchObject({ left: 103, lines: 1 });
  });

  it("leaves one alone that is being asked for, as long as that can take", async () => {
    const lost = await makeLost({ error: "asked" });
    const refusal = await refusalOf(lost.close("failed"));
    expect(refusal).toMatchObject({ code: "invalid_state", reason: "under_way" });
    await database.admin`
      UPDATE ducat.payment_refunds SET updated_at = updated_at - interval '2 minutes'
      WHERE id = ${lost.refund.id}`;
    expect((await lost.close("failed")).status).toBe("failed");
  });

  it("counts nothing twice that the provider has told of meanwhile", async () => {
    for (const [told, left] of [
      [300, 66],
      [900, 0],
    ] as const) {
      const lost = await makeLost();
      await applyReversal(database.worker, makeReversal(lost.payment, told, 1));
      expect((await lost.close("succeeded")).status).toBe("succeeded");
      expect(await lost.read()).toMatchObject({ left: 3 + left, refunded: told, lines: 1 });
    }
  });

  it("holds against an older word of the provider, and gives way to a later one", async () => {
    const lost = await makeLost();
    await lost.close("succeeded");
    await applyReversal(database.worker, makeReversal(lost.payment, 0, 1));
    expect(await lost.read()).toMatchObject({ refunded: 300 });
    const later = { ...makeReversal(lost.payment, 900, 1), occurredAt: new Date(Date.now() + 1e6) };
    await applyReversal(database.worker, later);
    expect(await lost.read()).toMatchObject({ left: 3, refunded: 900 });
  });

  it("ends once, whoever says what at the same time", async () => {
    const lost = await makeLost();
    await lost.report();
    const sessions = await openSessions(database.url, "ducat_app", 8);
    const words = atOnce(sessions, 24, (db, index) =>
      lost.close(index % 2 === 0 ? "succeeded" : "failed", {}, db),
    );
    const ends = await Promise.allSettled(words);
    const row = await lost.read();
    const isBack = row?.status === "succeeded";
    expect(row).toMatchObject({ left: isBack ? 69 : 103, refunded: isBack ? 300 : 0, lines: 1 });
    const fine = ends.filter(({ status }) => status === "fulfilled");
    expect(fine).toHaveLength(12);
  });

  it("knows neither another account's payment nor another payment's refund", async () => {
    const [lost, other] = [await makeLost(), await makeLost()];
    const foreign = [
      { paymentId: other.payment.id },
      { refundId: other.refund.id },
      { paymentId: randomUUID() },
      { refundId: randomUUID() },
      { paymentId: other.payment.id, refundId: other.refund.id },
    ];
    for (const word of foreign) {
      const refusal = await refusalOf(lost.close("succeeded", word));
      expect(refusal).toMatchObject({ code: "not_found" });
    }
    expect(await other.read()).toMatchObject({ status: "unknown", lines: 0 });
  });
});
