/**
 * A process for tests that kill it: it charges a saved card, or pays a payment back, at the
 * imitation of Stripe.
 */
import { createStripe } from "@ducat/billing/stripe";
import { connectDatabase } from "@ducat/db/connect";
import { chargeReload } from "../src/charge-reload.ts";
import type { PaymentDeps } from "../src/providers.ts";
import { refundPayment } from "../src/refund-payment.ts";

export type MoneyTask = {
  databaseUrl: string;
  stripe: { secretKey: string; webhookSecret: string; baseUrl: string };
  accountId: string;
  /** Pay this back; left out, charge the card. */
  paymentId?: string;
  key?: string;
};

const task = JSON.parse(process.argv[2] ?? "") as MoneyTask;
const { secretKey, webhookSecret, baseUrl } = task.stripe;
const stripe = createStripe({
  ...{ secretKey, webhookSecrets: [webhookSecret], mode: "test", baseUrl, timeoutMs: 60_000 },
});
const quiet = () => undefined;
const deps: PaymentDeps = {
  db: connectDatabase({ url: task.databaseUrl, role: "ducat_worker", max: 2 }),
  providers: new Map([["stripe", stripe]]),
  mode: "test",
  publicUrl: "http://ducat.test",
  log: { info: quiet, warn: quiet, error: quiet },
  now: Date.now,
};
const { accountId, paymentId, key = "" } = task;
if (paymentId === undefined) await chargeReload(deps, accountId);
else {
  const request = { key, fingerprint: Buffer.from(key), paymentId, reason: "a complaint" };
  const audit = { actor: "root", request_id: "r", ip: null };
  await refundPayment(deps, accountId, { ...request, audit });
}
await deps.db.end({ timeout: 1 });
