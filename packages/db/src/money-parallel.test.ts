import { DomainError } from "@ducat/types/errors";
import { describe, expect, it } from "vitest";
import { makeOffer, makePayment, makeSucceededFact } from "../test/billing-factories.ts";
import { makeGeneration, makeKey } from "../test/factories.ts";
import { makeRandom, openSessions } from "../test/parallel.ts";
import { makeReloader, type Reloader } from "../test/reload-factories.ts";
import { makeDispute, makeReversal } from "../test/reversal-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { findDueAttempts, markSent, type ReloadCharge, recordReload } from "./auto-reload.ts";
import type { Db } from "./connect.ts";
import { advanceClock, consumeCredits } from "./credits.ts";
import { cancelGeneration } from "./generations.ts";
import { movePayment, type Payment, settlePayment } from "./payments.ts";
import { findDueRefunds, recordRefund, reserveRefund } from "./refunds.ts";
import { applyDispute, applyReversal } from "./reversals.ts";

const database = useDatabase();

const audit = { actor: "test", request_id: "test", ip: null };

/** What the load has made so far, for its next operations to meet again. */
type Made = {
  accounts: string[];
  reloaders: Reloader[];
  priceId: string;
  paid: { payment: Payment; dispute: ReturnType<typeof makeDispute> }[];
  charges: ReloadCharge[];
};

type Processes = { app: Db; worker: Db };
type Random = (limit: number) => number;
type Operation = (db: Processes, made: Made, random: Random) => Promise<unknown>;

const pick = <T>(list: T[], random: Random): T | undefined => list[random(list.length)];

/** Everything that moves money or follows it, each on whatever it finds. */
const operations: Record<string, Operation> = {
  async buy({ app }, made, random) {
    const order = await makePayment(app, pick(made.accounts, random) ?? "", {
      priceId: made.priceId,
    });
    const fact = makeSucceededFact(order);
    const told = await Promise.all([settlePayment(app, fact), settlePayment(app, fact)]);
    expect(told.map(({ outcome }) => outcome).toSorted()).toEqual(["applied", "known"]);
    const payment = told[0].payment;
    if (payment) made.paid.push({ payment, dispute: makeDispute(payment) });
  },
  async reverse({ worker }, made, random) {
    const one = pick(made.paid, random);
    if (one) await applyReversal(worker, makeReversal(one.payment, random(1000), random(9)));
  },
  async dispute({ app }, made, random) {
    const one = pick(made.paid, random);
    const status = pick(["won", "lost", "won", "lost", "won", "opened"] as const, random) ?? "won";
    if (one) await applyDispute(app, one.dispute.tell(status, random(9)));
  },
  async refund({ app, worker }, made, random) {
    const { payment } = pick(made.paid, random) ?? {};
    if (!payment) return;
    const request = { ...makeKey(), paymentId: payment.id, reason: null, audit };
    const { refund } = await reserveRefund(app, payment.account_id, request);
    const status = random(2) ? "failed" : "unknown";
    await recordRefund(worker, refund.id, { status, error: "test" });
    await findDueRefunds(worker);
  },
  async spend({ app }, made, random) {
    const amount = 1 + random(100);
    return consumeCredits(app, pick(made.accounts, random) ?? "", { ...makeKey(), amount });
  },
  async create({ app }, made, random) {
    const accountId = pick(made.accounts, random) ?? "";
    const { id } = await makeGeneration(app, accountId, { labels: [null, null, null] });
    if (random(2)) await cancelGeneration(app, accountId, id);
  },
  async reload({ worker }, made, random) {
    const reloader = pick(made.reloaders, random);
    if (!reloader) return;
    await reloader.set();
    await reloader.letPass(61);
    await reloader.spend(1 + random(90)).catch(codeOf);
    const reserved = await reloader.reserve(random(5) ? ["sandbox"] : [], worker);
    if (reserved.action === "charge") made.charges.push(reserved.charge);
  },
  async record({ worker }, made, random) {
    const charge = pick(made.charges, random);
    if (!charge) return;
    await markSent(worker, charge.attempt_id);
    const code = "card_declined";
    const results = [
      { status: "needs_customer" as const, code },
      { status: "unknown" as const },
      { status: "processing" as const, paymentRef: `pi_${charge.attempt_id}` },
    ];
    await recordReload(worker, charge.attempt_id, pick(results, random) ?? { status: "unknown" });
    await findDueAttempts(worker);
  },
  async hear({ app, worker }, made, random) {
    const charge = pick(made.charges, random);
    if (!charge) return;
    const about = { ...charge, amount: charge.money.amount, currency: charge.money.currency };
    const paymentRef = `pi_${charge.attempt_id}`;
    const fact = makeSucceededFact(about as never, { paymentRef });
    if (random(2)) return settlePayment(app, fact);
    return movePayment(worker, { ...fact, kind: "payment.failed", code: "card_declined" } as never);
  },
  async pass({ app }, made, random) {
    await advanceClock(app, pick(made.accounts, random) ?? "", random(86_400));
  },
};

describe("everything that moves money at once on three accounts", () => {
  it("never deadlocks, never breaks, and leaves books that add up", async () => {
    const apps = await openSessions(database.url, "ducat_app", 10);
    const workers = await openSessions(database.url, "ducat_worker", 10);
    const reloaders = await Promise.all([1, 2, 3].map(() => makeReloader(database)));
    const { price } = await makeOffer(database.admin, {
      valid_days: 3,
      allowances: { letters: 1 },
    });
    const made: Made = {
      ...{ reloaders, accounts: reloaders.map(({ id }) => id) },
      ...{ priceId: price.id, paid: [], charges: [] },
    };
    const codes: Record<string, number> = {};
    const more = ["spend", "spend", "reload", "reload", "hear", "hear"];
    const names = [...Object.keys(operations), ...more];
    const run = async (app: Db, index: number) => {
      const db = { app, worker: workers[index] ?? app };
      const random = makeRandom(20_261_120 + index);
      for (let n = 0; n < 60; n++) {
        const operation = operations[names[random(names.length)] ?? ""];
        const code = await operation?.(db, made, random).then(() => "ok", codeOf);
        codes[code ?? ""] = (codes[code ?? ""] ?? 0) + 1;
      }
    };
    await Promise.all(apps.map(run));
    const expected = ["ok", "insufficient_credits", "account_frozen", "invalid_state"];
    expect(Object.keys(codes).filter((code) => !expected.includes(code))).toEqual([]);
    expect(codes.ok).toBeGreaterThan(150);
    expect(made.charges.length).toBeGreaterThan(0);
    const twice = await database.admin`
      SELECT payment_id FROM ducat.credit_grants WHERE source = 'auto_reload' AND restores IS NULL
      GROUP BY payment_id HAVING count(*) > 1`;
    expect(twice).toEqual([]);
  });
});

/** `unavailable` is what a deadlock or a lock time-out would be told as. */
function codeOf(error: unknown): string {
  if (error instanceof DomainError && error.code !== "unavailable") return error.code;
  throw error;
}
