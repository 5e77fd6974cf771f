import { randomUUID } from "node:crypto";
import { createAccount } from "../src/accounts.ts";
import {
  type AutoReloadSettings,
  type ReloadCharge,
  reserveReload,
  setAutoReload,
} from "../src/auto-reload.ts";
import { consumeCredits } from "../src/credits.ts";
import { findPayment, type Payment, settlePayment } from "../src/payments.ts";
import { makeOffer, makeSucceededFact } from "./billing-factories.ts";
import type { TestDatabase } from "./clone.ts";
import { givePurchase, makeKey } from "./factories.ts";

/** What happened to an account by name, and with what. */
export type Told = { name: string; data: Record<string, unknown> };

/**
 * An account with an e-mail address, no trial and 100 paid credits, that reloads a pack of 50 for
 * USD 5.00 below 20 credits by a saved card of the sandbox; and what can happen to it.
 */
export async function makeReloader(
  database: Omit<TestDatabase, "close">,
  settings: Partial<AutoReloadSettings> & { card?: boolean; credits?: number } = {},
) {
  const { admin, app, worker } = database;
  const { card = true, credits = 100, ...more } = settings;
  const email = `${randomUUID()}@example.com`;
  const { account } = await createAccount(app, {
    ...{ external_id: `x-${randomUUID()}`, kind: "user", email },
  });
  const { id } = account;
  await consumeCredits(app, id, { ...makeKey(), amount: 3 });
  if (credits > 0) await givePurchase(app, id, credits);
  const { price } = await makeOffer(admin, { credits: 40, bonus: 10 }, { amount: 500 });
  const saveCard = () => admin`
    INSERT INTO ducat.provider_customers (account_id, provider, mode, customer_ref, method_ref)
    VALUES (${id}, 'sandbox', 'test', ${`cus_${id}`}, ${`pm_${id}`})`;
  if (card) await saveCard();
  const set = (change: Partial<AutoReloadSettings> = {}) =>
    setAutoReload(app, id, {
      ...{ enabled: true, threshold: 20, priceId: price.id, provider: "sandbox", consent: true },
      ...more,
      ...change,
    });
  await set();
  const reserve = (charging: string[] = ["sandbox"], db = worker) =>
    reserveReload(db, id, { mode: "test", charging });
  const findPaymentOf = async (paymentId: string): Promise<Payment> => {
    const payment = await findPayment(app, id, paymentId);
    if (!payment) throw new Error("there is no such payment");
    return payment;
  };
  return {
    ...{ id, price, set, saveCard, reserve, findPayment: findPaymentOf },
    spend: (amount: number) => consumeCredits(app, id, { ...makeKey(), amount }),
    /** Reserves a charge, of which the test is sure. */
    charge: async (): Promise<ReloadCharge> => {
      const reserved = await reserve();
      if (reserved.action !== "charge") throw new Error(JSON.stringify(reserved));
      return reserved.charge;
    },
    /** The provider's word that a payment of a reload was paid. */
    settle: async (paymentId: string) =>
      settlePayment(app, makeSucceededFact(await findPaymentOf(paymentId))),
    /** Lets the last attempt be so many seconds ago. */
    letPass: async (seconds: number) => {
      await admin`
        UPDATE ducat.auto_reloads
        SET last_attempt_at = last_attempt_at - make_interval(secs => ${seconds})
        WHERE account_id = ${id}`;
      await admin`
        UPDATE ducat.credit_accounts
        SET reload_due_at = reload_due_at - make_interval(secs => ${seconds})
        WHERE account_id = ${id}`;
    },
    readDue: async (): Promise<Date | null> => {
      const [row] = await admin<{ due: Date | null }[]>`
        SELECT reload_due_at AS due FROM ducat.credit_accounts WHERE account_id = ${id}`;
      return row?.due ?? null;
    },
    listEvents: () => admin<Told[]>`
      SELECT type AS name, data FROM ducat.outbox
      WHERE account_id = ${id} AND type LIKE 'auto_reload.%' ORDER BY id`,
    listMessages: () => admin<Told[]>`
      SELECT kind AS name, data FROM ducat.messages
      WHERE account_id = ${id} AND kind LIKE 'reload%' ORDER BY id`,
  };
}

export type Reloader = Awaited<ReturnType<typeof makeReloader>>;
