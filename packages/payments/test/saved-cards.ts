import { findReloadCharge, type ReloadCharge } from "@ducat/db/auto-reload";
import type { CardLater, Rig } from "../../billing/test/rig.ts";
import { startSandboxRig } from "../../billing/test/sandbox-rig.ts";
import { startStripeRig } from "../../billing/test/stripe-rig.ts";
import { makeReloader, type Reloader } from "../../db/test/reload-factories.ts";
import { makeDeps, type Place } from "./shop.ts";

/** How many charges a provider made, whatever its books call them. */
type Counted = Rig & {
  countCharges(): Promise<number>;
  keepCard(customerRef: string, methodRef: string, later: CardLater): Promise<void>;
};

async function startStripe(): Promise<Counted> {
  const rig = await startStripeRig();
  const { books } = rig;
  return {
    ...rig,
    countCharges: async () =>
      books.list("payment_intent").filter(({ status }) => status === "succeeded").length,
    keepCard: async (customer, id, later) => {
      books.cards.set(id, { id, customer, later });
    },
  };
}

async function startSandbox(): Promise<Counted> {
  const rig = await startSandboxRig();
  const { keeper, store, clock } = rig;
  const cards = { succeeds: "succeed", declines: "decline", needs_3ds: "authenticate" } as const;
  return {
    ...rig,
    countCharges: async () => {
      const ids = await store.listChanged(0, 1_000);
      const documents = await Promise.all(ids.map((id) => store.get(id)));
      return documents.filter((found) => {
        const document = found?.document;
        return document?.kind === "payment" && document.status === "paid";
      }).length;
    },
    keepCard: async (customerRef, id, later) => {
      const method = { kind: "method" as const, id, customerRef, isRemoved: false, events: [] };
      const document = { ...method, card: cards[later] };
      // Another card under the same name, where there is one.
      const isNew = await keeper.create(document);
      if (isNew) return;
      const known = await store.get(id);
      await store.put(document, { version: known?.version ?? 0, dueAt: undefined, now: clock.now });
    },
  };
}

/** The providers that charge a saved card, as their imitations start. */
export const chargingRigs: [Rig["provider"]["name"], () => Promise<Counted>][] = [
  ["stripe", startStripe],
  ["sandbox", startSandbox],
];

/** An account whose card at the rig is charged when its paid credits run low. */
export async function makeCardholder(
  database: Place,
  rig: Counted,
  {
    later = "succeeds",
    ...settings
  }: Parameters<typeof makeReloader>[1] & {
    later?: CardLater;
  } = {},
) {
  rig.clock.now = Date.now();
  const { name } = rig.provider;
  const reloader = await makeReloader(database, { provider: name, ...settings, card: false });
  const [customerRef, methodRef] = [`cus_${reloader.id}`, `pm_${reloader.id}`];
  const setCard = (kind: CardLater) => rig.keepCard(customerRef, methodRef, kind);
  await setCard(later);
  await database.admin`
    INSERT INTO ducat.provider_customers (account_id, provider, mode, customer_ref, method_ref)
    VALUES (${reloader.id}, ${name}, 'test', ${customerRef}, ${methodRef})`;
  return {
    ...reloader,
    setCard,
    deps: makeDeps(database.worker, rig.provider),
    impatient: makeDeps(database.worker, rig.remake({ timeoutMs: 150 })),
    readAttempts: () => readAttempts(database, reloader.id),
    /** The charge that is open, as a sweep finds it. */
    async takeOpen(): Promise<ReloadCharge> {
      const [attempt] = await readAttempts(database, reloader.id);
      const charge = attempt && (await findReloadCharge(database.worker, attempt.id));
      if (!charge) throw new Error("there is no charge");
      return charge;
    },
    available: () => readAvailable(database, reloader),
  };
}

type Attempt = { id: string; status: string; code: string | null; due_at: Date | null };

/** The account's charges, the newest first. */
function readAttempts({ admin }: Place, accountId: string): Promise<Attempt[]> {
  return admin<Attempt[]>`
    SELECT id, status, code, due_at FROM ducat.payment_attempts
    WHERE account_id = ${accountId} AND kind = 'charge' ORDER BY id DESC`;
}

async function readAvailable({ admin }: Place, { id }: Reloader): Promise<number> {
  const [row] = await admin<{ available: number }[]>`
    SELECT available FROM ducat.credit_accounts WHERE account_id = ${id}`;
  return row?.available ?? Number.NaN;
}
