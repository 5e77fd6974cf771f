import type { ListedAccount } from "@ducat/types/admin-accounts";
import type { AdminGeneration } from "@ducat/types/admin-generations";
import type { AdminPayment } from "@ducat/types/admin-payments";
import type { AuditLog } from "@ducat/types/audit-logs";
import type { Transaction } from "@ducat/types/credits";
import type { Payment } from "@ducat/types/payments";
import type { AdminDelivery } from "@ducat/types/webhook-endpoints";
import type { WebhookEvent } from "@ducat/types/webhook-events";
import type { Columns } from "./stream-csv.ts";

/*
 * The columns of each file. People's programs read them by name and by place: add new ones at the
 * end, and leave those that are there alone.
 */

export const transactionColumns: Columns<Transaction> = {
  id: (row) => row.id,
  created_at: (row) => row.created_at,
  type: (row) => row.type,
  amount: (row) => row.amount,
  balance_after: (row) => row.balance_after,
  description: (row) => row.description,
  generation_id: (row) => row.generation_id,
  payment_id: (row) => row.payment_id,
};

export const paymentColumns: Columns<Payment> = {
  id: (row) => row.id,
  created_at: (row) => row.created_at,
  paid_at: (row) => row.paid_at,
  status: (row) => row.status,
  purpose: (row) => row.purpose,
  product: (row) => row.product?.key,
  provider: (row) => row.provider,
  currency: (row) => row.price.currency,
  price: (row) => row.price.amount,
  charged: (row) => row.charged?.amount,
  reversed: (row) => row.reversed.amount,
  credits: (row) => row.credits,
  credits_granted: (row) => row.credits_granted,
  credits_clawed: (row) => row.credits_clawed,
  reference: (row) => row.reference,
  receipt_ref: (row) => row.receipt_ref,
  card: (row) => row.card,
  subscription_id: (row) => row.subscription_id,
  period_start: (row) => row.period?.start,
  period_end: (row) => row.period?.end,
  subject: (row) => row.subject,
  failure_code: (row) => row.failure_code,
};

export const accountColumns: Columns<ListedAccount> = {
  id: (row) => row.id,
  created_at: (row) => row.created_at,
  kind: (row) => row.kind,
  external_id: (row) => row.external_id,
  name: (row) => row.name,
  email: (row) => row.email,
  phone: (row) => row.phone,
  locale: (row) => row.locale,
  is_active: (row) => row.is_active,
  last_login_at: (row) => row.last_login_at,
  erased_at: (row) => row.erased_at,
  plan: (row) => row.plan,
  frozen: (row) => row.frozen.join(" "),
  available: (row) => row.available,
  held: (row) => row.held,
  debt: (row) => row.debt,
};

export const adminPaymentColumns: Columns<AdminPayment> = {
  id: (row) => row.id,
  account_id: (row) => row.account_id,
  created_at: (row) => row.created_at,
  paid_at: (row) => row.paid_at,
  status: (row) => row.status,
  purpose: (row) => row.purpose,
  product: (row) => row.product,
  provider: (row) => row.provider,
  mode: (row) => row.mode,
  currency: (row) => row.price.currency,
  price: (row) => row.price.amount,
  charged: (row) => row.charged?.amount,
  refunded: (row) => row.refunded.amount,
  disputed: (row) => row.disputed.amount,
  reversed: (row) => row.reversed.amount,
  credits: (row) => row.credits,
  credits_granted: (row) => row.credits_granted,
  credits_clawed: (row) => row.credits_clawed,
  reference: (row) => row.reference,
  provider_ref: (row) => row.provider_ref,
  invoice_ref: (row) => row.invoice_ref,
  customer_ref: (row) => row.customer_ref,
  receipt_ref: (row) => row.receipt_ref,
  card: (row) => row.card,
  subscription_id: (row) => row.subscription_id,
  subject: (row) => row.subject,
  failure_code: (row) => row.failure_code,
};

export const generationColumns: Columns<AdminGeneration> = {
  id: (row) => row.id,
  account_id: (row) => row.account_id,
  created_at: (row) => row.created_at,
  completed_at: (row) => row.completed_at,
  status: (row) => row.status,
  style: (row) => row.style.id,
  style_version: (row) => row.style.version,
  kind: (row) => row.kind,
  items: (row) => row.items,
  failed_items: (row) => row.failed_items,
  canceled_items: (row) => row.canceled_items,
  error_codes: (row) => row.error_codes.join(" "),
  cost: (row) => row.cost,
  captured: (row) => row.captured,
  refunded: (row) => row.refunded,
  subject: (row) => row.subject,
  reference: (row) => row.reference,
  retry_of: (row) => row.retry_of,
  deadline_at: (row) => row.deadline_at,
  deleted_at: (row) => row.deleted_at,
};

export const auditColumns: Columns<AuditLog> = {
  id: (row) => row.id,
  created_at: (row) => row.created_at,
  actor: (row) => row.actor,
  action: (row) => row.action,
  resource: (row) => row.resource,
  resource_id: (row) => row.resource_id,
  account_id: (row) => row.account_id,
  request_id: (row) => row.request_id,
  ip: (row) => row.ip,
  metadata: (row) => row.metadata,
};

export const webhookColumns: Columns<WebhookEvent> = {
  id: (row) => row.id,
  created_at: (row) => row.created_at,
  provider: (row) => row.provider,
  mode: (row) => row.mode,
  event_type: (row) => row.event_type,
  delivery_id: (row) => row.delivery_id,
  occurred_at: (row) => row.occurred_at,
  status: (row) => row.status,
  retry_count: (row) => row.retry_count,
  last_error: (row) => row.last_error,
  next_try_at: (row) => row.next_try_at,
  processed_at: (row) => row.processed_at,
  retried_at: (row) => row.retried_at,
  resolved_at: (row) => row.resolved_at,
  resolved_by: (row) => row.resolved_by,
  has_body: (row) => row.has_body,
};

export const deliveryColumns: Columns<AdminDelivery> = {
  id: (row) => row.id,
  created_at: (row) => row.created_at,
  ended_at: (row) => row.ended_at,
  status: (row) => row.status,
  kind: (row) => row.kind,
  owner_id: (row) => row.owner_id,
  endpoint_id: (row) => row.endpoint_id,
  url: (row) => row.url,
  account_id: (row) => row.account_id,
  event_id: (row) => row.event_id,
  event_type: (row) => row.event_type,
  attempts: (row) => row.attempts,
  next_try_at: (row) => row.next_try_at,
  last_try_at: (row) => row.tries.at(-1)?.at,
  last_status: (row) => row.tries.at(-1)?.status,
  last_error: (row) => row.tries.at(-1)?.error,
};
