import { describe, expect, it } from "vitest";
import { makeOffer, makePayment, makeSucceededFact } from "../test/billing-factories.ts";
import { makeAccount } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { findBalance } from "./credits.ts";
import { settlePayment } from "./payments.ts";

const database = useDatabase();

describe("settle_payment", () => {
  it("delivers what the order promised", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin, { bonus: 10 });
    const order = await makePayment(database.app, id, { priceId: price.id });
    const fact = makeSucceededFact(order);
    const first = await settlePayment(database.worker, fact);
    expect(first).toMatchObject({
      outcome: "applied",
      payment: { status: "succeeded", charged: 900, credits_granted: 110 },
    });
    expect(await settlePayment(database.app, fact)).toEqual({ ...first, outcome: "known" });
    expect(await findBalance(database.app, id)).toMatchObject({ token_balance: 110 });
  });
});
