import { randomUUID } from "node:crypto";
import type { Db } from "../src/connect.ts";
import {
  type NewPayment,
  openPayment,
  type Payment,
  recordCheckout,
  type SucceededFact,
  settlePayment,
} from "../src/payments.ts";

export type ProductRow = {
  id: string;
  key: string;
  kind: "plan" | "pack" | "pass";
  credits: number;
  bonus: number;
};

type NewProduct = Partial<{
  key: string;
  kind: "plan" | "pack" | "pass";
  audience: "user" | "vendor";
  credits: number;
  bonus: number;
  trial_days: number;
  trial_credits: number;
  rollover: "none" | "capped" | "full";
  rollover_cap: number;
  grace_days: number;
  valid_days: number;
  needs_subject: boolean;
  allowances: Record<string, number>;
  features: Record<string, object>;
  is_active: boolean;
}>;

/** A product of its own; a pack of 100 credits unless it is told otherwise. */
async function makeProduct(admin: Db, more: NewProduct = {}): Promise<ProductRow> {
  const { allowances = {}, features = {}, ...columns } = more;
  const row = {
    key: `p-${randomUUID()}`,
    kind: "pack",
    credits: 100,
    name: { en: "Hundred credits", fa: "صد اعتبار" },
    description: {},
    allowances,
    features,
    ...columns,
  };
  const [product] = await admin<ProductRow[]>`
    INSERT INTO ducat.products ${admin(columnsOf(row))}
    RETURNING id, key, kind, credits, bonus`;
  if (!product) throw new Error("the product was not made");
  return product;
}

export type PriceRow = {
  id: string;
  product_id: string;
  provider: string | null;
  currency: string;
  interval: "once" | "month" | "year";
  amount: number;
  provider_ref: string | null;
};

/** What the driver takes for an INSERT; the database checks the rest. */
const columnsOf = (row: object) => row as Record<string, never>;

type NewPrice = Partial<Omit<PriceRow, "id" | "product_id">> & { is_active?: boolean };

/** A price of a product: USD 9.00 once, at any provider, unless it is told otherwise. */
export async function makePrice(
  admin: Db,
  productId: string,
  more: NewPrice = {},
): Promise<PriceRow> {
  const row = { product_id: productId, currency: "USD", interval: "once", amount: 900, ...more };
  const [price] = await admin<PriceRow[]>`
    INSERT INTO ducat.prices ${admin(columnsOf(row))}
    RETURNING id, product_id, provider, currency, interval, amount, provider_ref`;
  if (!price) throw new Error("the price was not made");
  return price;
}

/** A product with one price. */
export async function makeOffer(
  admin: Db,
  product: NewProduct = {},
  price: NewPrice = {},
): Promise<{ product: ProductRow; price: PriceRow }> {
  const made = await makeProduct(admin, product);
  return { product: made, price: await makePrice(admin, made.id, price) };
}

/** An order at the sandbox that waits for its money, with a page that was opened for it. */
export async function makePayment(
  db: Db,
  accountId: string,
  order: Partial<NewPayment> & { priceId: string },
): Promise<Payment> {
  const payment = await openPayment(db, accountId, { provider: "sandbox", mode: "test", ...order });
  return recordCheckout(db, payment.id, {
    ref: `page_${randomUUID()}`,
    url: "https://pay.example.com/page",
    sent: { amount: payment.amount, currency: payment.currency },
  });
}

/** The word of a payment's provider that it was paid, by a charge of its own. */
export function makeSucceededFact(
  payment: Pick<Payment, "provider" | "mode" | "reference" | "amount" | "currency">,
  more: Partial<SucceededFact> = {},
): SucceededFact & { kind: "payment.succeeded"; purpose: "pack"; occurredAt: Date } {
  const { provider, mode, reference, amount, currency } = payment;
  const paymentRef = more.paymentRef ?? `pay_${randomUUID()}`;
  return {
    kind: "payment.succeeded",
    purpose: "pack",
    occurredAt: new Date(),
    provider,
    mode,
    orderRef: reference,
    paymentRef,
    effectKey: `test:${mode}:${paymentRef}`,
    money: { amount, currency },
    price: { amount, currency },
    ...more,
  };
}

/** An order that has been paid and delivered. */
export async function makePaid(
  db: Db,
  accountId: string,
  order: Partial<NewPayment> & { priceId: string },
): Promise<Payment> {
  const payment = await makePayment(db, accountId, order);
  const { outcome, payment: paid } = await settlePayment(db, makeSucceededFact(payment));
  if (outcome !== "applied" || !paid) throw new Error(`the payment ended as ${outcome}`);
  return paid;
}
