import {
  type FoundPayment,
  findPaymentAccount,
  type ListedRefund,
  searchPayments,
} from "@ducat/db/admin-payments";
import { closeRefund, type Refund } from "@ducat/db/refunds";
import { refundPayment } from "@ducat/payments/refund-payment";
import type { AdminPayment, PaymentRefund } from "@ducat/types/admin-payments";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { answerList } from "../answer-list.ts";
import { auditOf } from "../audit.ts";
import { type FindAccount, requireScope } from "../auth.ts";
import { adminPaymentColumns } from "../csv/columns.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { markReplay, readRequestKey } from "../idempotency.ts";
import * as operations from "../operations/admin-payments.ts";
import { toTime } from "../show-generation.ts";
import { showStatus, toMoment } from "../show-payment.ts";

/** For support: everybody's payments, and money back. */
export const adminPaymentRoutes = (deps: Deps, findAccount: FindAccount) => {
  const { db, payments } = deps;
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.list, async (c) => {
    const query = c.req.valid("query");
    const { account, min_amount: minAmount, max_amount: maxAmount, ...rest } = query;
    const accountId = account === undefined ? undefined : await findAccount(account);
    return await answerList(c, deps, {
      list: searchPayments(db, { ...rest, accountId, minAmount, maxAmount }),
      show: (rows) => rows.map(show),
      ...{ kind: "payment", name: "payments", columns: adminPaymentColumns, query },
    });
  });

  app.openapi(operations.refund, async (c) => {
    const requestKey = readRequestKey(c);
    const { id: paymentId } = c.req.valid("param");
    const accountId = await getPaymentAccount(db, paymentId);
    const { amount, reason } = c.req.valid("json");
    const request = { ...requestKey, paymentId, amount, reason, audit: auditOf(c) };
    const { refund, replayed } = await refundPayment(payments, accountId, request);
    markReplay(c, replayed);
    return c.json(showRefund(refund), refund.status === "succeeded" ? 201 : 202);
  });

  app.openapi(operations.resolveRefund, async (c) => {
    const { id: paymentId, refund_id: refundId } = c.req.valid("param");
    const accountId = await getPaymentAccount(db, paymentId);
    const word = { ...c.req.valid("json"), paymentId, refundId, audit: auditOf(c) };
    return c.json(showRefund(await closeRefund(db, accountId, word)), 200);
  });

  return app;
};

async function getPaymentAccount(db: Deps["db"], paymentId: string): Promise<string> {
  const accountId = await findPaymentAccount(db, paymentId);
  if (accountId === undefined) throw new DomainError("not_found");
  return accountId;
}

const statuses = {
  reserved: "pending",
  unknown: "pending",
  succeeded: "succeeded",
  failed: "failed",
} as const;

function showRefund({ id, payment_id, status, amount, currency, ...rest }: Refund): PaymentRefund {
  return {
    id,
    payment_id,
    status: statuses[status],
    amount: { amount, currency },
    reason: rest.reason,
    error: status === "succeeded" ? null : rest.error,
    created_at: rest.created_at.toISOString(),
  };
}

function show(row: FoundPayment): AdminPayment {
  const money = (amount: number) => ({ amount, currency: row.currency });
  const { id, account_id, purpose, provider, mode, price_id, subscription_id, subject } = row;
  const { reference, provider_ref, invoice_ref, customer_ref, receipt_ref, metadata } = row;
  return {
    ...{ id, account_id, purpose, provider, mode, price_id, subscription_id, subject },
    ...{ reference, provider_ref, invoice_ref, customer_ref, receipt_ref, metadata },
    status: showStatus(row, row.is_disputed),
    product: row.product_key,
    card: row.card_mask,
    price: money(row.amount),
    charged: row.charged === null ? null : money(row.charged),
    refunded: money(row.refunded),
    disputed: money(row.disputed),
    reversed: money(row.reversed),
    credits: row.credits,
    credits_granted: row.credits_granted,
    credits_clawed: row.clawed,
    failure_code: row.failure_code,
    refunds: row.refunds.map((refund) => showListed(refund, row.currency)),
    paid_at: toMoment(row.paid_at),
    expires_at: toMoment(row.expires_at),
    created_at: row.created_at.toISOString(),
  };
}

const showListed = (refund: ListedRefund, currency: string) => ({
  ...refund,
  status: statuses[refund.status],
  amount: { amount: refund.amount, currency },
  created_at: toTime(refund.created_at),
});
