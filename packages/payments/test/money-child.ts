/**
 * A process for tests that kill it: it charges a saved card, or pays a payment back, at the
 * imitation of Stripe.
 */
import { createStripe } from "@ducat/billing/stripe";
import { findReloadCharge } from "@ducat/db/auto-reload";
import { connectDatabase } from "@ducat/db/connect";
import { chargeReload, resolveAttempt } from "../src/charge-reload.ts";
import type { PaymentDeps } from "../src/providers.ts";
import { refundPayment } from "../src/refund-payment.ts";

export type MoneyTask = {
  databaseUrl: string;
  stripe: { secretKey: string; webhookSecret: string; baseUrl: string };
  accountId: string;
  /** A charge that was reserved; left out with the next, the card is charged as a sweep does. */
  attemptId?: string;
  /** Pay this back. */
  paymentId?: string;
};

const task = JSON.parse(process.argv[2] ?? "") as MoneyTask;
const { secretKey, webhookSecret, baseUrl } = task.stripe;
const stripe = createStripe({
  ...{ secretKey, webhookSecrets: [webhookSecret], mode: "test", baseUrl, timeoutMs: 60_000 },
});
const quiet = () => undefined;
const { accountId, attemptId, paymentId } = task;
// Refunds are asked for in the API, charges are made by workers.
const role = paymentId === undefined ? "ducat_worker" : "ducat_app";
const deps: PaymentDeps = {
  db: connectDatabase({ url: task.databaseUrl, role, max: 2 }),
  providers: new Map([["stripe", stripe]]),
  mode: "test",
  publicUrl: "http://ducat.test",
  log: { info: quiet, warn: quiet, error: quiet },
  now: Date.now,
};
if (paymentId !== undefined) {
  const request = { key: "killed", fingerprint: Buffer.from("killed"), paymentId, reason: "r" };
  const audit = { actor: "root", request_id: "r", ip: null };
  await refundPayment(deps, accountId, { ...request, audit });
} else if (attemptId !== undefined) {
  const charge = await findReloadCharge(deps.db, attemptId);
  if (charge) await resolveAttempt(deps, charge);
} else await chargeReload(deps, accountId);
await deps.db.end({ timeout: 1 });
