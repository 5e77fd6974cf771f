import type { PaymentProvider } from "@ducat/billing/provider";
import type { Db } from "@ducat/db/connect";
import { findOrder, openPayment, type Payment } from "@ducat/db/payments";
import { startLemonRig } from "../../billing/test/lemon-squeezy-rig.ts";
import type { Received, Rig } from "../../billing/test/rig.ts";
import { startSandboxRig } from "../../billing/test/sandbox-rig.ts";
import { startStripeRig } from "../../billing/test/stripe-rig.ts";
import { makeOffer } from "../../db/test/billing-factories.ts";
import type { TestDatabase } from "../../db/test/clone.ts";
import { makeAccount } from "../../db/test/factories.ts";
import { openPage } from "../src/open-page.ts";
import { processWebhook } from "../src/process-webhook.ts";
import type { PaymentDeps } from "../src/providers.ts";
import { receiveWebhook } from "../src/receive-webhook.ts";

export type Place = Omit<TestDatabase, "close">;

/** The providers that send webhooks, as their imitations start. */
export const rigs: [Rig["provider"]["name"], () => Promise<Rig>][] = [
  ["stripe", startStripeRig],
  ["lemonsqueezy", startLemonRig],
  ["sandbox", startSandboxRig],
];

export type LogLine = { level: string; message: string } & Record<string, unknown>;

export type Shop = {
  rig: Rig;
  /** As a worker has them. */
  deps: PaymentDeps;
  lines: LogLine[];
  prices: Record<"pack" | "small" | "large", string>;
  /** An order with its page, not paid yet: what the provider calls the page. */
  order(
    what: keyof Shop["prices"],
    accountId?: string,
    more?: { savesMethod?: boolean },
  ): Promise<Ordered>;
  /** Every webhook that waits at the provider is delivered; the ids of their rows. */
  receive(): Promise<string[]>;
  /** Works on events until none of them changes any more. */
  process(ids: readonly string[]): Promise<void>;
  /** Both. */
  hear(): Promise<string[]>;
};

export type Ordered = { accountId: string; payment: Payment; page: string };

/** What a shop sells: a pack of 100 credits, plans of 200 and 500 a month. */
export const credits = { pack: 100, small: 200, large: 500 } as const;

/** A deployment with one provider, whose clock is that of this machine. */
export async function openShop(db: Place, rig: Rig): Promise<Shop> {
  rig.clock.now = Math.floor(Date.now() / 1000) * 1000;
  const { provider } = rig;
  const lines: LogLine[] = [];
  const deps = makeDeps(db.worker, provider, lines);
  const prices = await makePrices(db.admin, rig);
  const receive = async () => receiveAll(db, rig, await rig.takeDeliveries());
  const work = async (ids: readonly string[]) => {
    for (const id of ids) await processWebhook(deps, id);
  };
  return {
    rig,
    deps,
    lines,
    prices,
    order: async (what, accountId, more = {}) =>
      makeOrder(db, deps, {
        ...more,
        accountId: accountId ?? (await makeAccount(db.app)).id,
        priceId: prices[what],
      }),
    receive,
    process: work,
    async hear() {
      const ids = await receive();
      await work(ids);
      return ids;
    },
  };
}

export function makeDeps(db: Db, provider: PaymentProvider, lines: LogLine[] = []): PaymentDeps {
  const write = (level: string) => (detail: Record<string, unknown>, message: string) => {
    lines.push({ ...detail, level, message });
  };
  return {
    db,
    providers: new Map([[provider.name, provider]]),
    mode: "test",
    publicUrl: "http://ducat.test",
    log: { info: write("info"), warn: write("warn"), error: write("error") },
    now: Date.now,
  };
}

export async function makePrices(
  admin: Db,
  { provider, pack, plans }: Rig,
): Promise<Shop["prices"]> {
  const at = { provider: provider.name };
  const refOf = (ref: string | undefined) => (ref === undefined ? {} : { provider_ref: ref });
  const one = await makeOffer(
    admin,
    { kind: "pack", credits: credits.pack },
    { ...at, ...pack.price, ...refOf(pack.priceRef) },
  );
  const plan = async (size: "small" | "large") => {
    const { price, priceRef } = plans?.[size] ?? { price: { amount: 1 } };
    const offer = await makeOffer(
      admin,
      { kind: "plan", credits: credits[size], rollover: "full" },
      { ...at, amount: price.amount, interval: "month", ...refOf(priceRef) },
    );
    return offer.price.id;
  };
  return { pack: one.price.id, small: await plan("small"), large: await plan("large") };
}

type Wanted = { accountId: string; priceId: string; savesMethod?: boolean };

async function makeOrder(
  db: Place,
  deps: PaymentDeps,
  { accountId, priceId, savesMethod }: Wanted,
): Promise<Ordered> {
  const [provider] = deps.providers.keys();
  if (!provider) throw new Error("there is no provider");
  const returnUrl = "https://app.example.com/done";
  const order = { priceId, provider, mode: "test" as const, returnUrl, savesMethod };
  const payment = await openPayment(db.app, accountId, order);
  await openPage({ ...deps, db: db.app }, payment);
  const found = await findOrder(db.app, { reference: payment.reference });
  return { accountId, payment, page: found?.attempt?.ref ?? "" };
}

/** Delivers webhooks as the API takes them in; the ids of their rows, each once. */
export async function receiveAll(db: Place, rig: Rig, sent: Received[]): Promise<string[]> {
  const providers = new Map([[rig.provider.name, rig.provider]]);
  const ids: string[] = [];
  for (const { raw, headers } of sent) {
    const delivery = { provider: rig.provider.name, raw, headers };
    ids.push((await receiveWebhook({ db: db.app, providers }, delivery)).id);
  }
  return [...new Set(ids)];
}

export type Books = { available: number; debt: number; frozen: boolean };

/** What an account has of credits; its trial's three are among them. */
export async function readBooks(db: Place, accountId: string): Promise<Books> {
  const [row] = await db.admin<Books[]>`
    SELECT available, debt, cardinality(frozen) > 0 AS frozen
    FROM ducat.credit_accounts WHERE account_id = ${accountId}`;
  if (!row) throw new Error("there is no such account");
  return row;
}
