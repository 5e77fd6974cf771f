import { describe, expect, it } from "vitest";
import { makeOffer, makePaid, makePayment, makeSucceededFact } from "../test/billing-factories.ts";
import { makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { type DisputeStatus, makeDispute, makeReversal } from "../test/reversal-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, complete } from "../test/work.ts";
import {
  captureHold,
  consumeCredits,
  findBalance,
  freezeAccount,
  grantCredits,
  holdCredits,
} from "./credits.ts";
import { claimOpening, findPayment, openPayment, settlePayment } from "./payments.ts";
import { applyDispute, applyReversal } from "./reversals.ts";

const database = useDatabase();

/** An account without its trial that has paid 900 for a pack of 100, and what can happen to it. */
async function makeBuyer() {
  const { admin, app, worker } = database;
  const { id } = await makeAccount(app);
  await consumeCredits(app, id, { ...makeKey(), amount: 3 });
  const { price } = await makeOffer(admin);
  const payment = await makePaid(app, id, { priceId: price.id });
  const dispute = makeDispute(payment);
  return {
    id,
    price,
    payment,
    reason: dispute.reason,
    dispute: (status: DisputeStatus, seconds: number, which = dispute) =>
      applyDispute(worker, which.tell(status, seconds)),
    refund: (amount: number, seconds: number) =>
      applyReversal(worker, makeReversal(payment, amount, seconds)),
    spend: (amount: number) => consumeCredits(app, id, { ...makeKey(), amount }),
    balance: () => findBalance(app, id),
    find: async () => (await findPayment(app, id, payment.id)) ?? payment,
    readFrozen: async () => {
      const [row] = await admin<{ frozen: string[] }[]>`
        SELECT frozen FROM ducat.credit_accounts WHERE account_id = ${id}`;
      return row?.frozen;
    },
  };
}

describe("an open dispute", () => {
  it("freezes the account and takes nothing yet", async () => {
    const buyer = await makeBuyer();
    expect(await buyer.dispute("opened", 1)).toBe("applied");
    expect(await buyer.dispute("opened", 1)).toBe("known");
    expect(await buyer.readFrozen()).toEqual([buyer.reason]);
    expect(await buyer.balance()).toMatchObject({ available: 100, frozen: true });
    expect(await buyer.find()).toMatchObject({ disputed: 0, reversed: 0 });
  });

  it("refuses spending and buying, and lets what has begun come to its end", async () => {
    const buyer = await makeBuyer();
    const { app, worker } = database;
    const order = await makePayment(app, buyer.id, { priceId: buyer.price.id });
    const hold = await holdCredits(app, buyer.id, {
      ...{ ...makeKey(), amount: 5, expiresInSeconds: 60 },
    });
    const made = await makeGeneration(app, buyer.id);
    await buyer.dispute("opened", 1);
    const open = { priceId: buyer.price.id, provider: "sandbox", mode: "test" } as const;
    const refused = [
      () => makeGeneration(app, buyer.id),
      () => buyer.spend(1),
      () => holdCredits(app, buyer.id, { ...makeKey(), amount: 1, expiresInSeconds: 60 }),
      () => openPayment(app, buyer.id, open),
      () => claimOpening(app, order.id, 60),
    ];
    for (const run of refused)
      await expect(run()).rejects.toMatchObject({ code: "account_frozen" });
    await captureHold(app, buyer.id, { holdId: hold.id, amount: 5 });
    await complete(worker, await claim(worker, buyer.id, made));
    const settled = await settlePayment(app, makeSucceededFact(order));
    expect(settled.outcome).toBe("applied");
    const gift = { source: "promo" as const, amount: 7, effectKey: "gift" };
    await grantCredits(app, buyer.id, gift);
    expect(await buyer.balance()).toMatchObject({ available: 201, held: 0 });
  });

  it("that is won lifts the freeze and has taken nothing", async () => {
    const buyer = await makeBuyer();
    await buyer.dispute("opened", 1);
    expect(await buyer.dispute("won", 2)).toBe("applied");
    expect(await buyer.readFrozen()).toEqual([]);
    await buyer.spend(100);
  });

  it("that is lost takes the credits and lifts the freeze: the debt says the rest", async () => {
    const buyer = await makeBuyer();
    await buyer.spend(30);
    await buyer.dispute("opened", 1);
    expect(await buyer.dispute("lost", 2)).toBe("applied");
    expect(await buyer.readFrozen()).toEqual([]);
    expect(await buyer.balance()).toMatchObject({ available: 0, debt: 30 });
    expect(await buyer.find()).toMatchObject({ disputed: 900, reversed: 900, clawed: 100 });
  });

  it("that is lost and then won on appeal gives back what it took", async () => {
    const buyer = await makeBuyer();
    await buyer.spend(30);
    await buyer.dispute("opened", 1);
    await buyer.dispute("lost", 2);
    expect(await buyer.dispute("won", 3)).toBe("applied");
    expect(await buyer.balance()).toMatchObject({ available: 70, debt: 0 });
    expect(await buyer.find()).toMatchObject({ disputed: 0, reversed: 0, clawed: 0 });
  });

  it("leaves another reason to freeze, and another dispute, as they are", async () => {
    const buyer = await makeBuyer();
    const other = makeDispute(buyer.payment, 100);
    const audit = { actor: "root", request_id: "test", ip: null };
    await freezeAccount(database.app, buyer.id, { reason: "admin", frozen: true, audit });
    await buyer.dispute("opened", 1);
    await buyer.dispute("opened", 1, other);
    await buyer.dispute("won", 2);
    expect(await buyer.readFrozen()).toEqual(["admin", other.reason]);
    await buyer.dispute("lost", 2, other);
    expect(await buyer.readFrozen()).toEqual(["admin"]);
    expect(await buyer.find()).toMatchObject({ disputed: 100, reversed: 100, clawed: 12 });
  });
});

describe("reports of a dispute", () => {
  const orders: [string, [DisputeStatus, number][]][] = [
    [
      "in order",
      [
        ["opened", 1],
        ["lost", 2],
      ],
    ],
    [
      "the verdict first",
      [
        ["lost", 2],
        ["opened", 1],
      ],
    ],
    [
      "told for the same moment",
      [
        ["lost", 2],
        ["opened", 2],
      ],
    ],
    [
      "told for the same moment, in order",
      [
        ["opened", 2],
        ["lost", 2],
      ],
    ],
    [
      "twice and again",
      [
        ["opened", 1],
        ["lost", 2],
        ["opened", 1],
        ["lost", 2],
      ],
    ],
  ];
  it.each(orders)("end the same: %s", async (_, told) => {
    const buyer = await makeBuyer();
    for (const [status, seconds] of told) await buyer.dispute(status, seconds);
    expect(await buyer.readFrozen()).toEqual([]);
    expect(await buyer.balance()).toMatchObject({ available: 0 });
    expect(await buyer.find()).toMatchObject({ disputed: 900, reversed: 900 });
  });

  it("that come after the verdict open it again only when they were told later", async () => {
    const buyer = await makeBuyer();
    await buyer.dispute("won", 5);
    expect(await buyer.dispute("opened", 4)).toBe("known");
    expect(await buyer.readFrozen()).toEqual([]);
    expect(await buyer.dispute("opened", 6)).toBe("applied");
    expect(await buyer.readFrozen()).toEqual([buyer.reason]);
  });

  it("wait for their payment, and are refused in another currency", async () => {
    const buyer = await makeBuyer();
    const { worker } = database;
    const unknown = makeDispute({ ...buyer.payment, provider_ref: "pi_nowhere" });
    expect(await applyDispute(worker, unknown.tell("opened", 1))).toBe("unknown");
    const foreign = makeDispute({ ...buyer.payment, currency: "EUR" });
    expect(await applyDispute(worker, foreign.tell("opened", 1))).toBe("refused");
    expect(await buyer.readFrozen()).toEqual([]);
  });
});

describe("a refund and a dispute of one payment", () => {
  it("never take the same money twice, whichever came first", async () => {
    for (const first of ["refund", "dispute"]) {
      const buyer = await makeBuyer();
      const lose = () => buyer.dispute("lost", 2);
      if (first === "dispute") await lose();
      await buyer.refund(600, 1);
      if (first === "refund") await lose();
      expect(await buyer.balance()).toMatchObject({ available: 0, debt: 0 });
      expect(await buyer.find()).toMatchObject({ refunded: 600, disputed: 900, reversed: 900 });
      // Won on appeal, the refund stays.
      await buyer.dispute("won", 3);
      expect(await buyer.find()).toMatchObject({ reversed: 600, clawed: 67 });
      expect(await buyer.balance()).toMatchObject({ available: 33, debt: 0 });
    }
  });

  it("of a part each take both parts", async () => {
    const buyer = await makeBuyer();
    await buyer.refund(300, 1);
    await buyer.dispute("lost", 2, makeDispute(buyer.payment, 300));
    expect(await buyer.find()).toMatchObject({ reversed: 600, clawed: 67 });
    await buyer.dispute("lost", 2, makeDispute(buyer.payment, 300));
    expect(await buyer.find()).toMatchObject({ disputed: 600, reversed: 900, clawed: 100 });
  });
});
