import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { findDueAttempts } from "@ducat/db/auto-reload";
import { findDueRefunds } from "@ducat/db/refunds";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { bundleEntry } from "../../../infra/test/bundle-entry.ts";
import { startStripeRig, stripeSecret } from "../../billing/test/stripe-rig.ts";
import { stripeKey } from "../../billing/test/stripe-server.ts";
import { useDatabase } from "../../db/test/use-database.ts";
import type { MoneyTask } from "../test/money-child.ts";
import { makeCardholder } from "../test/saved-cards.ts";
import { openShop, readBooks } from "../test/shop.ts";
import { resolveAttempt } from "./charge-reload.ts";
import { resolveRefund } from "./refund-payment.ts";

const database = useDatabase();
const script = fileURLToPath(new URL("../test/money-child.ts", import.meta.url));

let rig: Awaited<ReturnType<typeof startStripeRig>>;
beforeAll(async () => {
  rig = await startStripeRig();
});
afterAll(() => rig.close());

const eventually = <T>(check: () => T | Promise<T>) =>
  vi.waitFor(check, { timeout: 60_000, interval: 25 });

async function start(
  task: Pick<MoneyTask, "accountId" | "attemptId" | "paymentId">,
): Promise<ChildProcess> {
  const stripe = { secretKey: stripeKey, webhookSecret: stripeSecret, baseUrl: rig.server.url };
  const whole: MoneyTask = { databaseUrl: database.url, stripe, ...task };
  const flags = [await bundleEntry(script), JSON.stringify(whole)];
  const child = spawn(process.execPath, flags, { stdio: ["ignore", "inherit", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

/** Nobody can write this payment's row until the returned function is called. */
async function lockPayment(paymentId: string): Promise<() => Promise<void>> {
  const held = await database.admin.reserve();
  await held`BEGIN`;
  await held`SELECT FROM ducat.payments WHERE id = ${paymentId} FOR UPDATE`;
  return async () => {
    await held`ROLLBACK`;
    held.release();
  };
}

/** A process of ours waits for what another holds. Returns its session. */
const findWaitingSession = () =>
  eventually(async () => {
    const waiting = await database.admin<{ pid: number }[]>`
      SELECT pid FROM pg_stat_activity WHERE datname = current_database()
        AND cardinality(pg_blocking_pids(pid)) > 0`;
    expect(waiting).toHaveLength(1);
    return waiting[0]?.pid ?? 0;
  });

/** Until the server has seen that its client is dead, a session holds its rows. */
const sessionEnds = (pid: number) =>
  eventually(async () => {
    const left = await database.admin`SELECT FROM pg_stat_activity WHERE pid = ${pid}`;
    expect(left).toHaveLength(0);
  });

const countCharges = () =>
  rig.books.list("payment_intent").filter(({ status }) => status === "succeeded").length;

describe("a process that is killed", () => {
  const holderRig = () => ({
    ...rig,
    countCharges: async () => countCharges(),
    keepCard: async (customer: string, id: string) => {
      rig.books.cards.set(id, { id, customer, later: "succeeds" });
    },
  });

  const settle = async (holder: Awaited<ReturnType<typeof makeCardholder>>) => {
    await database.admin`UPDATE ducat.payment_attempts SET due_at = clock_timestamp()
      WHERE account_id = ${holder.id}`;
    for (const charge of await findDueAttempts(database.worker)) {
      await resolveAttempt(holder.deps, charge);
    }
  };

  it("before its charge was answered leaves one charge, and it is credited", async () => {
    const before = countCharges();
    const holder = await makeCardholder(database, holderRig());
    await holder.spend(85);
    rig.faults.add("POST /v1/payment_intents", "hang_after");
    const child = await start({ accountId: holder.id });
    await eventually(() => expect(countCharges()).toBe(before + 1));
    await kill(child);
    expect(await holder.available()).toBe(15);
    await settle(holder);
    expect([countCharges(), await holder.available()]).toEqual([before + 1, 65]);
  });

  // The server finishes a statement whose client is gone, unless it hears of it before.
  const ends = [
    { title: "its write is lost", isLost: true, written: 15 },
    { title: "its write comes through", isLost: false, written: 65 },
  ];
  it.each(ends)(
    "between its charge's answer and the books, and $title: one charge, credited once",
    async ({ isLost, written }) => {
      const before = countCharges();
      const holder = await makeCardholder(database, holderRig());
      await holder.spend(85);
      const reserved = await holder.reserve(["stripe"]);
      if (reserved.action !== "charge") throw new Error("nothing was reserved");
      const { attempt_id: attemptId, payment_id } = reserved.charge;
      const unlock = await lockPayment(payment_id);
      const child = await start({ accountId: holder.id, attemptId });
      const session = await findWaitingSession();
      expect(countCharges()).toBe(before + 1);
      await kill(child);
      if (isLost) await database.admin`SELECT pg_terminate_backend(${session})`;
      else await unlock();
      await sessionEnds(session);
      if (isLost) await unlock();
      expect(await holder.available()).toBe(written);
      await settle(holder);
      expect([countCharges(), await holder.available()]).toEqual([before + 1, 65]);
    },
  );

  it("before its refund was answered leaves one refund", async () => {
    const shop = await openShop(database, rig);
    const { page, payment, accountId } = await shop.order("pack");
    await rig.pay(page);
    await shop.hear();
    rig.faults.add("POST /v1/refunds", "hang_after");
    const child = await start({ accountId, paymentId: payment.id });
    const refunds = () => rig.books.list("refund").length;
    await eventually(() => expect(refunds()).toBe(1));
    await kill(child);
    expect((await readBooks(database, accountId)).available).toBe(103);
    await database.admin`UPDATE ducat.payment_refunds SET due_at = clock_timestamp()`;
    for (const refund of await findDueRefunds(database.worker)) {
      await resolveRefund(shop.deps, refund);
    }
    expect([refunds(), (await readBooks(database, accountId)).available]).toEqual([1, 3]);
  });
});
