import { afterEach, expect, it } from "vitest";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { makeEndpoint, planEvents, planOutbox, settle } from "../test/webhooks.ts";
import { cancelGeneration } from "./generations.ts";
import { type Claimed, claimDeliveries } from "./webhook-deliveries.ts";

const database = useDatabase();
// A claim is for whatever is due: nothing is left to the next test.
afterEach(async () => {
  await database.admin`DELETE FROM ducat.webhook_deliveries`;
  await database.admin`DELETE FROM ducat.webhook_endpoints`;
});
const failed = { ok: false, error: "timeout" };

async function makeReceiver(count: number) {
  const { id: accountId } = await makeAccount(database.app);
  await makeEndpoint(database.app, accountId);
  for (let left = count; left > 0; left -= 500) {
    await planEvents(database.admin, accountId, { count: Math.min(left, 500) });
  }
  return accountId;
}

const claim = (limit: number) => claimDeliveries(database.worker, { limit, leaseSeconds: 60 });

/** Settles one after the other; those to `dead` fail. */
async function settleAll(claimed: Claimed[], dead: string) {
  for (const one of claimed) {
    await settle(database.worker, one, one.accountId === dead ? failed : {});
  }
}

it("a dead endpoint's 10,000 events delay another's by one delivery each at most", async () => {
  const dead = await makeReceiver(10_000);
  // What hangs there from the start: two, since nothing has ever arrived.
  const hanging = await claim(32);
  expect(hanging).toHaveLength(2);
  const alive = await makeReceiver(30);
  await settleAll(hanging, dead);
  const order: string[] = [];
  for (let n = 0; n < 60 && order.filter((id) => id === alive).length < 30; n++) {
    // No pause, so that the dead one takes all that it may.
    await database.admin`
      UPDATE ducat.webhook_endpoints SET retry_at = NULL, due_at = clock_timestamp()
      WHERE account_id = ${dead}`;
    const claimed = await claim(1);
    order.push(...claimed.map(({ accountId }) => accountId));
    await settleAll(claimed, dead);
  }
  const places = order.flatMap((accountId, place) => (accountId === alive ? [place] : []));
  expect(places).toHaveLength(30);
  for (const [nth, place] of places.entries()) expect(place).toBeLessThanOrEqual(2 * nth + 1);
});

it("many endpoints that hang have half of what is under way, and a quarter for sure", async () => {
  const dead: string[] = [];
  for (let n = 0; n < 40; n++) dead.push(await makeReceiver(1));
  await database.admin`
    UPDATE ducat.webhook_endpoints SET failing_since = clock_timestamp(), failures = 1
    WHERE account_id = ANY (${dead}::uuid[])`;
  const first = await claim(32);
  expect(first).toHaveLength(16);
  expect(first.every(({ accountId }) => dead.includes(accountId))).toBe(true);
  // They hang; whoever comes now finds room at once.
  const alive = [await makeReceiver(2), await makeReceiver(2)];
  const second = await claim(16);
  expect(second.map(({ accountId }) => accountId).sort()).toEqual(
    alive.flatMap((id) => [id, id]).sort(),
  );
  // When others could take everything, one slot in four still tries those that fail.
  await settleAll(first.slice(4), "");
  const busy = await Promise.all([1, 2, 3, 4, 5, 6].map(() => makeReceiver(4)));
  const third = await claim(8);
  const theirs = third.filter(({ accountId }) => dead.includes(accountId));
  expect(theirs.length).toBe(0);
  await settleAll(first.slice(0, 4), "");
  const fourth = await claim(8);
  expect(fourth.filter(({ accountId }) => dead.includes(accountId)).length).toBeGreaterThan(1);
  expect(fourth.filter(({ accountId }) => busy.includes(accountId)).length).toBeGreaterThan(3);
});

it("endpoints with long queues take turns, those too that were served at once", async () => {
  const all = [await makeReceiver(40), await makeReceiver(40), await makeReceiver(40)];
  await database.admin`UPDATE ducat.webhook_endpoints SET last_success_at = clock_timestamp()`;
  const turns = new Map(all.map((id) => [id, 0]));
  for (let n = 0; n < 30; n++) {
    for (const one of await claim(2)) {
      turns.set(one.accountId, (turns.get(one.accountId) ?? 0) + 1);
      await settle(database.worker, one);
    }
    const counts = [...turns.values()];
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  }
});

it("an account's many hosts that nothing has reached yet are tried eight in a second", async () => {
  const { id } = await makeAccount(database.app, 60);
  const happen = async (host: number) => {
    const webhookUrl = `https://host-${host}.example/`;
    const made = await makeGeneration(database.app, id, { webhookUrl });
    await cancelGeneration(database.app, id, made.id);
  };
  for (let n = 0; n < 40; n++) await happen(n);
  await planOutbox(database.admin, id);
  const readDue = () => database.admin<{ s: number }[]>`
    SELECT extract(epoch FROM due_at - min(due_at) OVER ())::float8 AS s
    FROM ducat.webhook_endpoints WHERE account_id = ${id} ORDER BY due_at`;
  const due = (await readDue()).map(({ s }) => s);
  expect(due).toEqual(Array.from({ length: 40 }, (_, n) => Math.floor(n / 8)));
  // Those who wait already keep their place; whoever comes later stands behind them.
  for (const host of [39, 40]) await happen(host);
  await planOutbox(database.admin, id);
  const more = (await readDue()).map(({ s }) => s);
  expect(more.slice(0, 40)).toEqual(due);
  expect(more[40]).toBeGreaterThanOrEqual(5);
  // Those that answer are no strangers any more.
  await settleAll(await claim(100), "");
  await happen(0);
  await planOutbox(database.admin, id);
  expect((await claim(100)).map(({ url }) => url)).toContain("https://host-0.example/");
});
