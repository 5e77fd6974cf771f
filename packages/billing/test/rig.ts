import { randomUUID } from "node:crypto";
import type { ProviderFact } from "../src/facts.ts";
import type { Money } from "../src/money.ts";
import type {
  CheckoutCreated,
  CheckoutInput,
  OpenOrder,
  PaymentProvider,
} from "../src/provider.ts";
import type { Faults } from "./faults.ts";
import { startServer, type TestServer } from "./http-server.ts";

export type Received = { raw: Buffer; headers: Record<string, string | undefined> };
export type Priced = { price: Money; priceRef?: string };
export type CardLater = "succeeds" | "declines" | "needs_3ds";

/** A provider's adapter with the provider beside it, as the conformance suite drives them. */
export type Rig = {
  provider: PaymentProvider;
  /** The adapter over the same server with other settings. */
  remake(changes: {
    secret?: string;
    mode?: "test" | "live";
    now?: () => number;
    timeoutMs?: number;
  }): PaymentProvider;
  clock: { now: number };
  faults: Faults;
  /** What stands in a fault's match for each call. */
  calls: { checkout: string; settle: string; refund: string; list: string; charge?: string };
  /** Which faults this provider can have; the suite names those that it leaves out. */
  faultKinds: readonly Parameters<Faults["add"]>[1][];
  pack: Priced;
  /** The customer pays; `charged` is what a tampered page or another price would take. */
  pay(ref: string, how?: { charged?: Money; card?: CardLater; trial?: boolean }): Promise<void>;
  /** Webhooks that the provider sent since the last call, over HTTP, in the order of sending. */
  takeDeliveries(): Promise<Received[]>;
  /** The provider forgets to send what waits. */
  dropDeliveries(): Promise<void>;
  /** The provider's signature over any body. */
  sign?(body: string, options?: { secret?: string; at?: number }): Received;
  /** A body of a payment with another amount, currency, mode, version or recipient in it. */
  alter?(body: string, change: Alteration): string | undefined;
  headerOfSignature?: string;
  /** A refund at the provider's dashboard. */
  refundThere?(paymentRef: string, amount: number): Promise<void>;
  dispute?(paymentRef: string, status: "opened" | "won" | "lost"): Promise<void>;
  plans?: { small: Required<Priced>; large: Required<Priced> };
  /** The next period begins, or its payment fails. */
  renew?(subscriptionRef: string, isPaid: boolean): Promise<void>;
  close(): Promise<void>;
};

export type Alteration = {
  amount?: number;
  currency?: string;
  mode?: true;
  version?: string;
  store?: true;
};

/** An endpoint of ours that keeps what comes, byte for byte. */
export async function startReceiver(): Promise<TestServer & { received: Received[] }> {
  const received: Received[] = [];
  const server = await startServer(({ raw, headers }) => {
    received.push({ raw, headers });
    return {};
  });
  return { ...server, received };
}

export async function post(url: string, body: string, headers: Record<string, string>) {
  const response = await fetch(url, { method: "POST", headers, body });
  await response.body?.cancel();
}

let count = 0;

/** An order of ours at the provider's checkout, as the flows would keep it. */
export async function order(
  rig: Rig,
  changes: Partial<CheckoutInput> = {},
): Promise<{ created: CheckoutCreated; open: OpenOrder }> {
  count += 1;
  const orderRef = `ord_${count}_${randomUUID().slice(0, 8)}`;
  const email = `buyer${count}@example.com`;
  const input: CheckoutInput = {
    orderRef,
    kind: "pack",
    ...rig.pack,
    title: "50 credits",
    customer: { accountRef: `acc_${count}`, email },
    returnUrl: "https://app.example.com/return",
    ...changes,
  };
  const created = await rig.provider.createCheckout(input);
  const { kind, priceRef, customer } = input;
  const open: OpenOrder = {
    ref: created.ref,
    orderRef: input.orderRef,
    kind,
    sent: created.sent,
    createdAt: new Date(rig.clock.now),
    accountRef: customer.accountRef,
    email,
    ...(priceRef !== undefined && { priceRef }),
  };
  return { created, open };
}

/** Everything the provider tells about an order in its own way: webhooks, or the return. */
export async function hear(rig: Rig, open: OpenOrder): Promise<ProviderFact[]> {
  const { provider } = rig;
  if (!provider.caps.webhooks) return (await provider.settle?.(open)) ?? [];
  return parseAll(provider, await rig.takeDeliveries());
}

export async function parseAll(
  provider: PaymentProvider,
  deliveries: Received[],
): Promise<ProviderFact[]> {
  const facts: ProviderFact[] = [];
  for (const { raw, headers } of deliveries) {
    const delivery = await provider.parseWebhook?.(raw, headers);
    facts.push(...(delivery?.facts ?? []));
  }
  return facts;
}

export const ofKind = <K extends ProviderFact["kind"]>(facts: ProviderFact[], kind: K) =>
  facts.filter((fact): fact is ProviderFact & { kind: K } => fact.kind === kind);

/** The keys by which money would be credited. */
export function creditKeys(facts: ProviderFact[]): string[] {
  const paid = facts.filter(({ kind }) => kind === "payment.succeeded" || kind === "invoice.paid");
  return [...new Set(paid.map(({ effectKey }) => effectKey))].sort();
}

export async function collect(facts: AsyncIterable<ProviderFact>): Promise<ProviderFact[]> {
  const all: ProviderFact[] = [];
  for await (const fact of facts) all.push(fact);
  return all;
}
