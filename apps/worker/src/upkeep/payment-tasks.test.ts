import { createAccount } from "@ducat/db/accounts";
import { setAlerts } from "@ducat/db/alerts";
import { consumeCredits } from "@ducat/db/credits";
import type { PaymentDeps } from "@ducat/payments/providers";
import { describe, expect, it } from "vitest";
import { startLemonRig } from "../../../../packages/billing/test/lemon-squeezy-rig.ts";
import { givePurchase, makeAccount, makeKey } from "../../../../packages/db/test/factories.ts";
import { openSessions } from "../../../../packages/db/test/parallel.ts";
import { useDatabase } from "../../../../packages/db/test/use-database.ts";
import { chargingRigs, makeCardholder } from "../../../../packages/payments/test/saved-cards.ts";
import { openShop } from "../../../../packages/payments/test/shop.ts";
import { eventually } from "../../test/stage.ts";
import type { Repeating } from "../repeat.ts";
import { startReconciling } from "../start-reconciling.ts";
import { defaultTimings, type Timings } from "../timings.ts";
import { listAccountTasks } from "./account-tasks.ts";
import { noMeter } from "./meter.ts";
import { listPaymentTasks } from "./payment-tasks.ts";
import { startUpkeep } from "./start-upkeep.ts";

const database = useDatabase();

/** Rounds as quick as a test wants them; a run of reconciliation whenever none is under way. */
const quick: Timings = {
  ...defaultTimings,
  reloadMs: 20,
  resolveMs: 20,
  renewMs: 50,
  alertsMs: 50,
  sandboxMs: 50,
  reconcilePollMs: 50,
  reconcileMs: 0,
  reconcileUntoldMs: 0,
};

/** All that happens to money by the clock, in one worker. */
function startMoney(payments: PaymentDeps, timings: Timings): Repeating[] {
  const { db, log } = payments;
  const tasks = [...listPaymentTasks(payments, timings), ...listAccountTasks(timings)];
  const upkeep = { ...timings.upkeep, pollMs: 20 };
  return [
    startUpkeep({ db, log, meter: noMeter, timings: upkeep }, tasks),
    ...startReconciling(payments, timings),
  ];
}

describe("three workers at once", () => {
  it.each(chargingRigs)(
    "charge a card at %s once, and finish what one of them lost",
    async (_n, start) => {
      const rig = await start();
      const holder = await makeCardholder(database, rig);
      const sessions = await openSessions(database.url, "ducat_worker", 3);
      const timings = { ...quick, reconcilePollMs: 3_600_000 };
      rig.faults.add(rig.calls.charge ?? "", "hang_after");
      const providers = new Map([[rig.provider.name, rig.remake({ timeoutMs: 300 })]]);
      const rounds = sessions.flatMap((db) =>
        startMoney({ ...holder.deps, providers, db }, timings),
      );
      try {
        await holder.spend(85);
        await eventually(async () =>
          expect(await holder.readAttempts()).toMatchObject([{ status: "unknown" }]),
        );
        await database.admin`UPDATE ducat.payment_attempts SET due_at = clock_timestamp()
        WHERE account_id = ${holder.id} AND due_at IS NOT NULL`;
        await eventually(async () => expect(await holder.available()).toBe(65));
        expect(await rig.countCharges()).toBe(1);
      } finally {
        await Promise.all(rounds.map((round) => round.stop()));
        await rig.close();
      }
    },
  );

  it("tell an account once that its credits run low", async () => {
    const { id } = await makeAccount(database.app, 20);
    const wish = { low_balance: 10, quota: true, expiring: true, messages: true };
    await setAlerts(database.app, id, wish);
    const rig = await startLemonRig();
    const { deps } = await openShop(database, rig);
    const sessions = await openSessions(database.url, "ducat_worker", 3);
    const timings = { ...quick, reconcilePollMs: 3_600_000 };
    const rounds = sessions.flatMap((db) => startMoney({ ...deps, db }, timings));
    const listTold = () => database.admin`
      SELECT data FROM ducat.outbox WHERE account_id = ${id} AND type = 'credits.low'`;
    try {
      await consumeCredits(database.app, id, { ...makeKey(), amount: 14 });
      await eventually(async () => expect(await listTold()).toHaveLength(1));
      await consumeCredits(database.app, id, { ...makeKey(), amount: 1 });
      await givePurchase(database.app, id, 10);
      await consumeCredits(database.app, id, { ...makeKey(), amount: 11 });
      await eventually(async () => expect(await listTold()).toHaveLength(2));
    } finally {
      await Promise.all(rounds.map((round) => round.stop()));
      await rig.close();
    }
  });

  it("credit what a provider's webhooks lost, once it can be reached again", async () => {
    const rig = await startLemonRig();
    const shop = await openShop(database, rig);
    const email = "lost@example.com";
    const { account } = await createAccount(database.app, {
      external_id: "lost",
      kind: "user",
      email,
    });
    const { page } = await shop.order("pack", account.id);
    await rig.pay(page);
    await rig.dropDeliveries();
    rig.clock.now += 6 * 60_000;
    await database.admin`
      UPDATE ducat.payment_attempts SET created_at = created_at - interval '6 minutes'`;
    for (let call = 0; call < 5; call += 1) rig.faults.add("GET /v1", "status_500");
    const sessions = await openSessions(database.url, "ducat_worker", 3);
    const rounds = sessions.flatMap((db) => startMoney({ ...shop.deps, db }, quick));
    try {
      await eventually(async () => {
        const [row] = await database.admin`
          SELECT available FROM ducat.credit_accounts WHERE account_id = ${account.id}`;
        expect(row?.available).toBe(103);
      });
      const runs = await database.admin<{ status: string }[]>`
        SELECT status FROM ducat.reconciliations WHERE status <> 'running' ORDER BY started_at`;
      expect(runs[0]?.status).toBe("failed");
    } finally {
      await Promise.all(rounds.map((round) => round.stop()));
      await rig.close();
    }
  });
});
