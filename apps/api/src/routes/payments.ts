import { findBuyer } from "@ducat/db/offers";
import { findPaymentDetails } from "@ducat/db/payment-details";
import { countPayments, listBilling } from "@ducat/db/payment-list";
import { findPayment, type Payment } from "@ducat/db/payments";
import { renderReceipt } from "@ducat/messages/render-message";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { answerList } from "../answer-list.ts";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import { paymentColumns } from "../csv/columns.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/payments.ts";
import { showPayment, showPeriod } from "../show-payment.ts";

/** It shows itself, runs nothing, and is in no other page. */
const receiptPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

export const paymentRoutes = (deps: Deps, findAccount: FindAccount) => {
  const { db, publicUrl } = deps;
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("billing"), requireAccount(findAccount));

  const show = async (accountId: string, rows: Payment[]) => {
    const details = await findPaymentDetails(
      db,
      accountId,
      rows.map(({ id }) => id),
    );
    const now = deps.now();
    return rows.map((row) => showPayment(row, { publicUrl, now, details: details.get(row.id) }));
  };
  const get = async (accountId: string, id: string) => {
    const payment = await findPayment(db, accountId, id);
    if (!payment) throw new DomainError("not_found");
    return payment;
  };

  app.openapi(operations.list, async (c) => {
    const query = c.req.valid("query");
    const { accountId } = c.var;
    const { min_amount: minAmount, max_amount: maxAmount, ...rest } = query;
    const filter = { ...rest, minAmount, maxAmount };
    return await answerList(c, deps, {
      list: listBilling(db, accountId, filter),
      show: (rows) => show(accountId, rows),
      ...{ kind: "payment", name: "payments", columns: paymentColumns, query, accountId },
      count: query.count === "true" ? () => countPayments(db, accountId, filter) : undefined,
    });
  });

  app.openapi(operations.get, async (c) => {
    const { accountId } = c.var;
    const [payment] = await show(accountId, [await get(accountId, c.req.valid("param").id)]);
    if (!payment) throw new DomainError("not_found");
    return c.json(payment, 200);
  });

  app.openapi(operations.receipt, async (c) => {
    const { accountId } = c.var;
    const payment = await get(accountId, c.req.valid("param").id);
    if (payment.status !== "succeeded" || !payment.paid_at) {
      throw new DomainError("invalid_state", { detail: "Nothing was paid yet." });
    }
    const [details, buyer] = await Promise.all([
      findPaymentDetails(db, accountId, [payment.id]),
      findBuyer(db, accountId),
    ]);
    const page = await renderReceipt(
      describeReceipt(payment, {
        paidAt: payment.paid_at,
        product: details.get(payment.id)?.product?.name ?? null,
        customer: buyer?.email ?? buyer?.phone ?? null,
      }),
      buyer?.locale ?? "en",
    );
    c.header("content-security-policy", receiptPolicy);
    return c.html(page, 200);
  });

  return app;
};

function describeReceipt(
  payment: Payment,
  more: { paidAt: Date; product: Record<string, string> | null; customer: string | null },
) {
  const { period_start, period_end } = payment;
  const charged = payment.charged ?? payment.amount;
  // No more than there was: a dispute may be lost of what was refunded already.
  const refunded = Math.min(payment.refunded, payment.reversed);
  return {
    payment_id: payment.id,
    reference: payment.reference,
    purpose: payment.purpose,
    product: more.product,
    credits: payment.credits_granted,
    price: payment.amount,
    amount: charged,
    currency: payment.currency,
    paid_at: more.paidAt.toISOString(),
    receipt_ref: payment.receipt_ref,
    card_mask: payment.card_mask,
    refunded,
    disputed: payment.reversed - refunded,
    credits_clawed: payment.clawed,
    period: period_start && period_end ? showPeriod(period_start, period_end) : null,
    customer: more.customer,
  };
}
