import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Rig } from "../../billing/test/rig.ts";
import { startZarinpalRig } from "../../billing/test/zarinpal-rig.ts";
import { expectBooks } from "./purchase-model.ts";
import { type Purchase, recordAnswers, recordPack, recordPlan } from "./recorded-purchase.ts";
import { replayPurchase } from "./replay-purchase.ts";
import { makePrices, type Place, readBooks, rigs } from "./shop.ts";

/** Purchases at a time. */
const atOnce = 6;

export type OrderCase = {
  title: string;
  start(): Promise<Rig>;
  record(rig: Rig): Promise<Purchase>;
};

/** A purchase of six facts at each provider. */
export const plansAndAnswers: OrderCase[] = [
  ...rigs.map(([name, start]) => ({ title: `a plan at ${name}`, start, record: recordPlan })),
  { title: "a pack at zarinpal", start: () => startZarinpalRig(), record: recordAnswers },
];
export const packs: OrderCase[] = rigs.map(([name, start]) => ({
  title: `a pack at ${name}`,
  start,
  record: recordPack,
}));

/** Tells a purchase in each of the orders; every one has to end as the model says. */
export function describeOrders(db: Place, cases: OrderCase[], orders: number[][]): void {
  describe.each(cases)("$title that is told in six facts", ({ start, record }) => {
    let rig: Rig;
    let purchase: Purchase;
    let priceId: string;
    beforeAll(async () => {
      rig = await start();
      purchase = await record(rig);
      const prices = await makePrices(db.admin, rig);
      priceId = purchase.kind === "plan" ? prices.small : prices.pack;
    });
    afterAll(() => rig.close());

    it(`ends the same in ${orders.length} orders`, async () => {
      expect(purchase.told).toHaveLength(6);
      const expected = expectBooks(purchase);
      const next = orders.entries();
      const work = async () => {
        for (const [number, order] of next) {
          const { accountId } = await replayPurchase(db, purchase, { order, priceId, number });
          const books = await readBooks(db, accountId);
          expect({ order: order.join(), ...books }).toEqual({ order: order.join(), ...expected });
        }
      };
      await Promise.all(Array.from({ length: atOnce }, work));
    });
  });
}

/** Every order of so many things. */
export function permute(count: number): number[][] {
  if (count === 0) return [[]];
  return permute(count - 1).flatMap((order) =>
    Array.from({ length: count }, (_, at) => order.toSpliced(at, 0, count - 1)),
  );
}
