import { createPaymentDeps, type ProviderSettings } from "@ducat/payments/providers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startStripeRig, stripeSecret } from "../../../packages/billing/test/stripe-rig.ts";
import { stripeKey } from "../../../packages/billing/test/stripe-server.ts";
import { holdWrites } from "../../../packages/db/test/hold-writes.ts";
import { credits, openShop, readBooks, type Shop } from "../../../packages/payments/test/shop.ts";
import { startChild } from "../test/children.ts";
import { assertBooks, eventually, type Stage, setStage } from "../test/stage.ts";

type StripeRig = Awaited<ReturnType<typeof startStripeRig>>;

/** Where a worker is killed while it processes the event of a paid pack with a card to save. */
const places = [
  {
    name: "after the claim, before anything is written",
    write: { table: "ducat.payments", on: "UPDATE", when: "NEW.status = 'succeeded'" },
  },
  {
    name: "between the first fact and the second",
    write: {
      table: "ducat.provider_customers",
      on: "UPDATE",
      when: "NEW.method_ref IS DISTINCT FROM OLD.method_ref",
    },
  },
  {
    name: "after all facts, before the event is done",
    write: { table: "ducat.webhook_events", on: "UPDATE", when: "NEW.status = 'processed'" },
  },
] as const;

describe("a worker that is killed with a webhook", () => {
  let stage: Stage;
  let rig: StripeRig;
  let shop: Shop;
  let payments: ProviderSettings;
  beforeAll(async () => {
    rig = await startStripeRig();
    payments = {
      STRIPE_SECRET_KEY: stripeKey,
      STRIPE_WEBHOOK_SECRET: [stripeSecret],
      STRIPE_API_URL: rig.server.url,
    };
  });
  afterAll(() => rig.close());
  beforeEach(async () => {
    stage = await setStage("postgres");
    shop = await openShop(stage.db, rig);
  });
  afterEach(() => stage.close());

  const buy = async () => {
    const { accountId, page } = await shop.order("pack", undefined, { savesMethod: true });
    await rig.pay(page);
    const ids = await shop.receive();
    await stage.queue.add(
      "process-webhook",
      ids.map((eventId) => ({ id: eventId, data: { eventId } })),
    );
    return { accountId, ids };
  };
  const startAnother = () => {
    const { log } = shop.deps;
    const secretKeys = ["s".repeat(32)];
    const place = { db: stage.db.worker, mode: "test", publicUrl: "http://ducat.test" } as const;
    const deps = createPaymentDeps(payments, { ...place, secretKeys, log });
    return stage.createWorker({ payments: deps }).start();
  };
  const allProcessed = (ids: string[]) =>
    eventually(async () => {
      const rows = await stage.db.admin`
        SELECT status FROM ducat.webhook_events WHERE id = ANY (${ids}::uuid[])`;
      expect(rows.map(({ status }) => status)).toEqual(ids.map(() => "processed"));
    });
  const expectOneCredit = async (accountId: string) => {
    const expected = { available: 3 + credits.pack, debt: 0, frozen: false };
    expect(await readBooks(stage.db, accountId)).toEqual(expected);
    const grants = await stage.db.admin`SELECT amount FROM ducat.credit_grants
      WHERE account_id = ${accountId} AND source = 'purchase'`;
    expect(grants).toEqual([{ amount: credits.pack }]);
    const rows = await stage.db.admin`SELECT p.status, c.method_ref FROM ducat.payments p
      JOIN ducat.provider_customers c USING (account_id) WHERE account_id = ${accountId}`;
    expect(rows).toEqual([{ status: "succeeded", method_ref: expect.any(String) }]);
    await assertBooks(stage, []);
  };

  it("before it came to it: the next worker credits it once", async () => {
    const child = await startChild(stage, { payments });
    child.signal("SIGSTOP");
    const { accountId, ids } = await buy();
    await child.kill();
    await startAnother();
    await allProcessed(ids);
    await expectOneCredit(accountId);
  });

  for (const { name, write } of places) {
    for (const isLost of [true, false]) {
      const title = isLost ? "its write is lost" : "its write comes through";
      it(`${name}, and ${title}: one credit`, async () => {
        const held = await holdWrites(stage.db, write);
        const child = await startChild(stage, { payments });
        const { accountId, ids } = await buy();
        await held.reached();
        await child.kill();
        if (isLost) await held.endWaiting();
        await held.release();
        await startAnother();
        await allProcessed(ids);
        await expectOneCredit(accountId);
      });
    }
  }
});
