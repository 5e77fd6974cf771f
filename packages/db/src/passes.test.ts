import { describe, expect, it } from "vitest";
import { makeOffer, makePaid, makePayment, makeSucceededFact } from "../test/billing-factories.ts";
import { makeAccount, makeKey } from "../test/factories.ts";
import { refusalOf } from "../test/outcome.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { advanceClock, consumeCredits, findBalance } from "./credits.ts";
import { listPasses } from "./passes.ts";
import { settlePayment } from "./payments.ts";

const database = useDatabase();
const day = 86_400_000;
/** Whole days; never a negative zero, which is not equal to zero. */
const daysBetween = (from: Date | undefined, to: Date | undefined) =>
  Math.round(((to?.getTime() ?? 0) - (from?.getTime() ?? 0)) / day) || 0;

const week = { kind: "pass", valid_days: 7, credits: 0 } as const;

describe("a pass", () => {
  it("runs from its payment for its length, once, and then is over", async () => {
    const { id } = await makeAccount(database.app);
    const { product, price } = await makeOffer(database.admin, week);
    const order = await makePayment(database.app, id, { priceId: price.id });
    const fact = makeSucceededFact(order);
    expect(await settlePayment(database.worker, fact)).toMatchObject({ outcome: "applied" });
    expect(await settlePayment(database.worker, fact)).toMatchObject({ outcome: "known" });
    const passes = await listPasses(database.app, id);
    expect(passes).toMatchObject([
      { product_id: product.id, subject: null, payment_id: order.id, revoked_at: null },
    ]);
    expect(daysBetween(new Date(), passes[0]?.starts_at)).toBe(0);
    expect(daysBetween(passes[0]?.starts_at, passes[0]?.ends_at)).toBe(7);
    await advanceClock(database.app, id, 7 * 86_400 + 60);
    expect(await listPasses(database.app, id)).toEqual([]);
  });

  it("is bought by the account's own time", async () => {
    const { id } = await makeAccount(database.app);
    await advanceClock(database.app, id, 100 * 86_400);
    const { price } = await makeOffer(database.admin, week);
    await makePaid(database.app, id, { priceId: price.id });
    const [pass] = await listPasses(database.app, id);
    expect(daysBetween(new Date(), pass?.starts_at)).toBe(100);
  });

  it("that is bought early begins when the running one ends, per product and subject", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin, { ...week, needs_subject: true });
    const other = await makeOffer(database.admin, week);
    await makePaid(database.app, id, { priceId: price.id, subject: "house" });
    await makePaid(database.app, id, { priceId: price.id, subject: "house" });
    await makePaid(database.app, id, { priceId: price.id, subject: "flat" });
    await makePaid(database.app, id, { priceId: other.price.id });
    const passes = await listPasses(database.app, id);
    const starts = passes.map((one) => [one.subject, daysBetween(new Date(), one.starts_at)]);
    expect(starts).toEqual([
      ["house", 0],
      ["flat", 0],
      [null, 0],
      ["house", 7],
    ]);
  });

  it("of the same kind paid ten times at once runs ten times as long", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin, week);
    const orders = await Promise.all(
      Array.from({ length: 10 }, () => makePayment(database.app, id, { priceId: price.id })),
    );
    const sessions = await openSessions(database.url, "ducat_worker", 10);
    await Promise.all(
      atOnce(sessions, 10, (session, index) => {
        const order = orders[index];
        if (!order) throw new Error("there is no order");
        return settlePayment(session, makeSucceededFact(order));
      }),
    );
    const passes = await listPasses(database.app, id);
    expect(passes.map((one) => daysBetween(new Date(), one.ends_at))).toEqual(
      Array.from({ length: 10 }, (_, index) => 7 * (index + 1)),
    );
  });

  it("gives credits for its subject alone, and stock, both for as long as it runs", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin, {
      ...{ ...week, credits: 8, needs_subject: true },
      allowances: { mail: 4 },
    });
    await makePaid(database.app, id, { priceId: price.id, subject: "house" });
    const [pass] = await listPasses(database.app, id);
    const balance = await findBalance(database.app, id);
    expect(balance?.bound).toEqual([
      { subject: "house", remaining: 8, expires_at: expect.any(String) },
    ]);
    expect(new Date(balance?.bound[0]?.expires_at ?? 0)).toEqual(pass?.ends_at);
    const stock = await database.admin`
      SELECT feature, remaining, expires_at FROM ducat.allowance_grants WHERE account_id = ${id}`;
    expect(stock).toEqual([{ feature: "mail", remaining: 4, expires_at: pass?.ends_at }]);
    const spend = (subject: string) =>
      consumeCredits(database.app, id, { ...makeKey(), amount: 5, subject });
    expect(await refusalOf(spend("flat"))).toMatchObject({ code: "insufficient_credits" });
    await spend("house");
    await advanceClock(database.app, id, 8 * 86_400);
    expect(await findBalance(database.app, id)).toMatchObject({
      bound: [],
      lifetime: { expired: 3 },
    });
  });

  it("is not shown to another account", async () => {
    const { id } = await makeAccount(database.app);
    const { id: other } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin, week);
    await makePaid(database.app, id, { priceId: price.id });
    expect(await listPasses(database.app, other)).toEqual([]);
    expect(await database.app`SELECT FROM ducat.passes`).toEqual([]);
  });
});
