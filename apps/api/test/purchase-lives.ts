import { randomBytes, randomUUID } from "node:crypto";
import { advanceClock } from "@ducat/db/credits";
import { processWebhook } from "@ducat/payments/process-webhook";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Rig } from "../../../packages/billing/test/rig.ts";
import { makeRandom } from "../../../packages/db/test/parallel.ts";
import { type Ordered, openShop, rigs, type Shop } from "../../../packages/payments/test/shop.ts";
import { type RunningServer, startServer } from "../src/server.ts";
import { byAmounts, expectLife, type Life, livePurchases, type Random } from "./purchase-life.ts";
import { rootKey, type Stage, setStage } from "./stage.ts";
import { makeApp } from "./webhook-stage.ts";

/** Customers' lives at each provider, one for each seed, against a pure model of what they own. */
export function describeLives(seeds: number[]): void {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage({ queue: "down" });
  });
  afterAll(() => stage.close());

  describe.each(rigs)("a customer of %s", (name, start) => {
    let rig: Rig;
    let shop: Shop;
    let server: RunningServer;
    let url: string;
    beforeAll(async () => {
      rig = await start();
      shop = await openShop(stage.db, rig);
      const app = makeApp(stage, rig.provider, { proxyHops: 1 });
      server = await startServer(app, { host: "127.0.0.1", port: 0 });
      url = `http://127.0.0.1:${server.port}`;
    });
    afterAll(async () => {
      await server.close(1_000);
      await rig.close();
    });

    /** Sends it as the provider would now: each attempt is signed anew. */
    const deliver = async (body: string) => {
      const sent = rig.sign?.(body);
      if (!sent) throw new Error("this provider signs nothing");
      const { raw, headers } = sent;
      const init = { method: "POST", headers: headers as Record<string, string> };
      const answer = await fetch(`${url}/webhooks/${name}`, { ...init, body: new Uint8Array(raw) });
      expect([answer.status, await answer.text()]).toEqual([200, "ok"]);
    };
    const comeBack = async ({ payment }: Ordered) => {
      const done = `${url}/pay/${payment.reference}/done`;
      // Each from elsewhere: an address may come back as often as a minute's limit lets it.
      const headers = { "x-forwarded-for": [10, ...randomBytes(3)].join(".") };
      const answer = await fetch(done, { redirect: "manual", headers });
      await answer.body?.cancel();
      expect(answer.status).toBe(303);
    };
    const spend = async (accountId: string, amount: number): Promise<number> => {
      const headers = {
        authorization: `Bearer ${rootKey}`,
        "content-type": "application/json",
        "ducat-account": accountId,
        "idempotency-key": randomUUID(),
      };
      const body = JSON.stringify({ amount });
      const answer = await fetch(`${url}/v1/credits/consume`, { method: "POST", headers, body });
      await answer.body?.cancel();
      expect([201, 402, 403]).toContain(answer.status);
      return answer.status === 201 ? amount : 0;
    };
    const listWaiting = async () => {
      const rows = await stage.db.admin<{ id: string }[]>`
        UPDATE ducat.webhook_events SET due_at = clock_timestamp() WHERE status = 'received'
        RETURNING id`;
      return rows.map(({ id }) => id);
    };
    /** Two workers look at what waits, in an order of their own. */
    const work = async (random: Random) => {
      const ids = shuffle(await listWaiting(), random);
      await Promise.all(
        ids.flatMap((id) => [processWebhook(shop.deps, id), processWebhook(shop.deps, id)]),
      );
    };

    /** One customer's life, its webhooks doubled, late and out of order, the returns in between. */
    async function run(seed: number) {
      const random = makeRandom(seed);
      const accountId = await stage.makeAccount();
      const pool: string[] = [];
      let orders: Ordered[] = [];
      let used = 0;
      let now = Date.now();
      const keepTime = async () => {
        const ahead = Math.ceil((rig.clock.now - now) / 1_000);
        if (ahead > 0) await advanceClock(stage.db.app, accountId, ahead);
        now += Math.max(0, ahead) * 1_000;
      };
      const act = async () => {
        await keepTime();
        const some = pool.splice(0, random(pool.length + 1));
        const returns = orders.filter(() => random(3) === 0).map(comeBack);
        const spends = random(2) === 0 ? [spend(accountId, 1 + random(60))] : [];
        const spent = await Promise.all([...some.map(deliver), ...returns, ...spends]);
        used += spent.reduce((sum: number, one) => sum + (one ?? 0), 0);
        if (random(2) === 0) await work(random);
      };
      const life = await livePurchases({
        rig,
        random,
        order: async (what) => {
          await keepTime();
          const ordered = await shop.order(what, accountId);
          orders = [...orders, ordered];
          return ordered;
        },
        async after(sent) {
          for (const { raw } of sent) {
            const copies = Array.from({ length: 1 + random(3) }, () => raw.toString("utf8"));
            pool.push(...copies);
          }
          pool.splice(0, pool.length, ...shuffle(pool, random));
          await act();
        },
      });
      await Promise.all([...pool.splice(0).map(deliver), ...orders.map(comeBack)]);
      for (let round = 0; round < 8 && (await listWaiting()).length > 0; round += 1) {
        await work(random);
      }
      return { accountId, life, used };
    }

    it.each(seeds)(
      "has what was paid for, whatever the order of its webhooks (seed %i)",
      async (seed) => {
        const { accountId, life, used } = await run(seed);
        expect(await readLife(stage, accountId)).toEqual(expectLife(life, used));
        const rows = await stage.db.admin`SELECT status, last_error FROM ducat.webhook_events
        WHERE status IN ('received', 'dead')`;
        expect(rows).toEqual([]);
        const anomalies = await stage.db.admin`SELECT kind, about FROM ducat.payment_anomalies
        WHERE resolved_at IS NULL`;
        expect(anomalies).toEqual([]);
      },
    );
  });
}

function shuffle<T>(all: readonly T[], random: Random): T[] {
  const left = [...all];
  return all.map(() => left.splice(random(left.length), 1)[0] as T);
}

/** The same of the books. */
async function readLife({ db: { admin } }: Stage, accountId: string) {
  const [account] = await admin`SELECT available - debt AS net, least(available, debt) AS both,
      cardinality(frozen) > 0 AS frozen
    FROM ducat.credit_accounts WHERE account_id = ${accountId}`;
  const payments = await admin<
    { charged: number; reversed: number; credits_granted: number; clawed: number }[]
  >`
    SELECT charged, reversed, credits_granted, clawed FROM ducat.payments
    WHERE account_id = ${accountId} AND status = 'succeeded'`;
  const [plan] = await admin<{ status: string; credits: number }[]>`
    SELECT s.status, p.credits FROM ducat.subscriptions s
    JOIN ducat.products p ON p.id = s.product_id WHERE s.account_id = ${accountId}`;
  expect(account?.both).toBe(0);
  if (plan) expect(plan.status).toBe("active");
  const names: Record<number, Life["plan"]> = { 200: "small", 500: "large" };
  return {
    net: account?.net,
    payments: [...payments].map((one) => ({ ...one })).sort(byAmounts),
    frozen: account?.frozen,
    plan: plan && names[plan.credits],
  };
}
