import { readOwnEndpoints } from "@ducat/db/own-endpoints";
import {
  deploymentId,
  ensureWebhookSecret,
  findEndpoint,
  rotateSecret,
} from "@ducat/db/webhook-endpoints";
import { createWebhookSecrets } from "@ducat/messages/webhook-secrets";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeAccount, makeGeneration } from "../../../../packages/db/test/factories.ts";
import { useDatabase } from "../../../../packages/db/test/use-database.ts";
import {
  audit,
  type DeliveryRow,
  happen,
  makeDue,
  makeEndpoint,
  readDeliveries,
  secrets,
} from "../../test/deliveries.ts";
import { openReceiver, type Receiver, verify } from "../../test/receiver.ts";
import { eventually } from "../../test/stage.ts";
import type { DeliverDeps } from "./deliver.ts";
import { type Delivered, noMeter } from "./meter.ts";
import { createWebhookSender } from "./send-webhook.ts";
import { type Delivering, type DeliveringTimings, startDelivering } from "./start-delivering.ts";

const database = useDatabase();
const opened: Receiver[] = [];
const started: { stop(): Promise<void> }[] = [];
let lines: { message: string }[] = [];
let outcomes: Delivered[] = [];
let receiver: Receiver;

beforeEach(async () => {
  lines = [];
  outcomes = [];
  receiver = await open();
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.stop()));
  await Promise.all(opened.splice(0).map((one) => one.close()));
  // What is left over would be another test's.
  await database.admin`TRUNCATE ducat.webhook_deliveries, ducat.webhook_endpoints`;
});

async function open(): Promise<Receiver> {
  const one = await openReceiver();
  opened.push(one);
  return one;
}

/** Somebody who delivers; aborting `givingBack` is the end of the grace. */
function start(
  more: Partial<DeliverDeps> & { timings?: Partial<DeliveringTimings>; timeoutMs?: number } = {},
): Delivering & { giveBack(): void } {
  const write = (_: object, message: string) => void lines.push({ message });
  const givingBack = new AbortController();
  const { timings, timeoutMs = 10_000, ...deps } = more;
  const allowHosts = opened.map(({ host }) => host);
  const delivering = startDelivering(
    {
      db: database.worker,
      log: { info: write, warn: write, error: write },
      meter: { ...noMeter, delivered: ({ outcome }) => void outcomes.push(outcome) },
      secrets,
      send: createWebhookSender({ allowHosts, timeoutMs }),
      databaseWaitMs: 1_000,
      ...deps,
      timings: { pollMs: 20, slowMs: 2_000, leaseSeconds: 60, ...timings },
    },
    givingBack.signal,
  );
  const one = { ...delivering, giveBack: () => givingBack.abort() };
  started.push({
    stop() {
      one.giveBack();
      return one.stop();
    },
  });
  return one;
}

const settled = (endpointId: string, status: string): Promise<DeliveryRow[]> =>
  eventually(async () => {
    const rows = await readDeliveries(database, endpointId);
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) expect(row.status).toBe(status);
    return rows;
  });
/** Tried so often, and waiting for the next time. */
const tried = (endpointId: string, attempts: number) =>
  eventually(async () => {
    const [row] = await readDeliveries(database, endpointId);
    expect(row).toMatchObject({ status: "pending", attempts });
    return row as DeliveryRow;
  });

describe("an event", () => {
  it("reaches who asked for it, signed by their own secret, under one id", async () => {
    const account = await makeAccount(database.app);
    const stranger = await makeAccount(database.app);
    const all = await makeEndpoint(database, account.id, { url: `${receiver.url}/all` });
    const some = await makeEndpoint(database, account.id, {
      ...{ url: `${receiver.url}/some`, events: ["credits.low"] },
    });
    await makeEndpoint(database, account.id, {
      ...{ url: `${receiver.url}/other`, events: ["payment.failed"] },
    });
    await makeEndpoint(database, stranger.id, { url: `${receiver.url}/stranger` });
    const id = await happen(database, account.id, { data: { available: 2, text: "سلام" } });
    start();
    await settled(all.id, "delivered");
    await settled(some.id, "delivered");
    expect(receiver.received.map(({ path }) => path).sort()).toEqual(["/hook/all", "/hook/some"]);
    for (const got of receiver.received) {
      const { secret } = got.path === "/hook/all" ? all : some;
      expect(got.headers["webhook-id"]).toBe(id);
      expect(verify(got, secret)).toEqual({
        ...{ id, type: "credits.low", account_id: account.id },
        created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        data: { available: 2, text: "سلام" },
      });
    }
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
  });

  it("is signed by both secrets during a rotation, and by the new one after it", async () => {
    const account = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database, account.id, { url: receiver.url });
    const rotate = async (overlapSeconds: number) => {
      const { secret, sealed } = secrets.make();
      const how = { id: endpoint.id, secret: sealed, overlapSeconds, audit };
      await rotateSecret(database.app, account.id, how);
      return secret;
    };
    const second = await rotate(3_600);
    await happen(database, account.id);
    start();
    await settled(endpoint.id, "delivered");
    const third = await rotate(0);
    await happen(database, account.id);
    await settled(endpoint.id, "delivered");
    const [during, after] = receiver.received;
    if (!during || !after) throw new Error("two were to come");
    for (const secret of [endpoint.secret, second]) expect(verify(during, secret)).toBeTruthy();
    expect(verify(after, third)).toBeTruthy();
    expect(() => verify(after, second)).toThrow("signature");
  });

  it("of a generation goes to its webhook_url, signed by the account's secret", async () => {
    const account = await makeAccount(database.app);
    const webhookUrl = `${receiver.url}?order=1`;
    const made = await makeGeneration(database.app, account.id, { webhookUrl });
    await database.app`SELECT ducat.cancel_generation(${account.id}, ${made.id})`;
    await happen(database, account.id);
    start();
    const [got] = await eventually(() => {
      expect(receiver.received).toHaveLength(1);
      return receiver.received;
    });
    // It had none before: it was made for this.
    const kept = await ensureWebhookSecret(database.app, account.id, secrets.make().sealed);
    const secret = secrets.open(kept[0] as { sealed: string });
    expect(got?.path).toBe("/hook?order=1");
    expect(got && verify(got, secret)).toMatchObject({
      type: "generation.canceled",
      data: { generation_id: made.id },
    });
  });

  it("that fails is sent again, the same to the byte", async () => {
    const account = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database, account.id, { url: receiver.url });
    receiver.answer = (_, response) => void response.writeHead(500).end();
    await happen(database, account.id, { data: { z: 1, aa: 2, b: [1.5, null] } });
    start();
    const waits = await tried(endpoint.id, 1);
    expect(waits.due_at?.getTime()).toBeGreaterThan(Date.now() + 2_000);
    expect(waits.log).toMatchObject([{ status: 500, error: "status" }]);
    receiver.answer = (_, response) => void response.writeHead(200).end();
    await makeDue(database, endpoint.id);
    const [row] = await settled(endpoint.id, "delivered");
    expect(row?.attempts).toBe(2);
    const [first, second] = receiver.received;
    expect(second?.body).toBe(first?.body);
    expect(second?.headers["webhook-id"]).toBe(first?.headers["webhook-id"]);
    expect(second && verify(second, endpoint.secret)).toBeTruthy();
    expect(outcomes).toEqual(["retry", "delivered"]);
  });
});

describe("a receiver", () => {
  it("that answers 410 gets nothing more", async () => {
    const account = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database, account.id, { url: receiver.url });
    receiver.answer = (_, response) => void response.writeHead(410).end();
    await happen(database, account.id);
    start();
    await settled(endpoint.id, "failed");
    const found = await findEndpoint(database.app, account.id, endpoint.id);
    expect(found).toMatchObject({ status: "disabled", disabled_reason: "gone" });
    expect(outcomes).toEqual(["disabled"]);
    await happen(database, account.id);
    expect(await readDeliveries(database, endpoint.id)).toHaveLength(1);
  });

  it("of the deployment hears of all accounts, and the operator when it is given up", async () => {
    const accounts = [await makeAccount(database.app), await makeAccount(database.app)];
    const own = await makeEndpoint(database, deploymentId, { url: receiver.url });
    for (const { id } of accounts) await happen(database, id);
    start();
    await settled(own.id, "delivered");
    const heard = receiver.received.map((got) => verify(got, own.secret).account_id);
    expect(heard.sort()).toEqual(accounts.map(({ id }) => id).sort());
    receiver.answer = (_, response) => void response.writeHead(410).end();
    await happen(database, accounts[0]?.id ?? "");
    await eventually(() =>
      expect(lines).toContainEqual({ message: "an endpoint of the deployment was given up" }),
    );
    expect(await readOwnEndpoints(database.app)).toEqual({ failing: 0, givenUp: 1 });
  });

  it("that asks for rest is left alone for so long", async () => {
    const account = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database, account.id, { url: receiver.url });
    receiver.answer = (_, answer) => void answer.writeHead(429, { "retry-after": "600" }).end();
    await happen(database, account.id);
    start();
    const { due_at } = await tried(endpoint.id, 1);
    expect(due_at?.getTime()).toBeGreaterThan(Date.now() + 500_000);
    const found = await findEndpoint(database.app, account.id, endpoint.id);
    expect(Date.parse(found?.retry_at ?? "")).toBeGreaterThan(Date.now() + 500_000);
  });

  it("that is slow takes no place from others", async () => {
    const accounts = await Promise.all(Array.from({ length: 48 }, () => makeAccount(database.app)));
    receiver.answer = () => undefined;
    for (const { id } of accounts) {
      await makeEndpoint(database, id, { url: receiver.url });
      await database.admin`SELECT ducat.emit(${id}, 'credits.low', '{}')`;
    }
    await happen(database, accounts[0]?.id ?? "");
    const quick = await open();
    start({ timings: { slowMs: 100 } });
    await eventually(() => expect(receiver.received).toHaveLength(49));
    const account = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database, account.id, { url: quick.url });
    await happen(database, account.id);
    await settled(endpoint.id, "delivered");
    expect(outcomes).toEqual(["delivered"]);
  });

  it("never gets anything that can't be signed", async () => {
    const account = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database, account.id, { url: receiver.url });
    await happen(database, account.id);
    start({ secrets: createWebhookSecrets(["t".repeat(32)]) });
    const { log } = await tried(endpoint.id, 1);
    expect(log).toMatchObject([{ error: "unsigned" }]);
    expect(receiver.received).toEqual([]);
    expect(outcomes).toEqual(["broken"]);
    expect(lines).toContainEqual({ message: "a delivery could not be signed" });
  });
});

it("a former secret that no key opens any more doesn't keep the new one from signing", async () => {
  const account = await makeAccount(database.app);
  const endpoint = await makeEndpoint(database, account.id, { url: receiver.url });
  const renewed = createWebhookSecrets(["t".repeat(32)]);
  const { secret, sealed } = renewed.make();
  const how = { id: endpoint.id, secret: sealed, overlapSeconds: 3_600, audit };
  await rotateSecret(database.app, account.id, how);
  await happen(database, account.id);
  start({ secrets: renewed });
  await settled(endpoint.id, "delivered");
  const [got] = receiver.received;
  expect(got && verify(got, secret)).toBeTruthy();
});

describe("a worker", () => {
  it("that stops waits for what is on its way", async () => {
    const account = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database, account.id, { url: receiver.url });
    let release = () => {};
    receiver.answer = (_, response) => {
      release = () => void response.writeHead(200).end();
    };
    await happen(database, account.id);
    const delivering = start();
    await eventually(() => expect(receiver.received).toHaveLength(1));
    const stopped = delivering.stop();
    await happen(database, account.id);
    release();
    await stopped;
    const rows = await readDeliveries(database, endpoint.id);
    expect(rows.map(({ status }) => status)).toEqual(["delivered", "pending"]);
  });

  it("that has no time for it gives it back at once, untried", async () => {
    const account = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database, account.id, { url: receiver.url });
    receiver.answer = () => undefined;
    await happen(database, account.id);
    const delivering = start();
    await eventually(() => expect(receiver.received).toHaveLength(1));
    delivering.giveBack();
    await delivering.stop();
    expect(outcomes).toEqual(["given_back"]);
    const [row] = await readDeliveries(database, endpoint.id);
    expect(row).toMatchObject({ status: "pending", attempts: 0, log: [] });
    receiver.answer = (_, response) => void response.writeHead(200).end();
    start();
    await settled(endpoint.id, "delivered");
    const ids = receiver.received.map(({ headers }) => headers["webhook-id"]);
    expect(ids).toEqual([row?.event_id, row?.event_id]);
  });

  it("that was presumed dead writes nothing over what another did", async () => {
    const account = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database, account.id, { url: receiver.url });
    let release = () => {};
    receiver.answer = (_, response) => {
      release = () => void response.writeHead(500).end();
      receiver.answer = (_request, second) => void second.writeHead(200).end();
    };
    await happen(database, account.id);
    const late = start();
    await eventually(() => expect(receiver.received).toHaveLength(1));
    const stopped = late.stop();
    await makeDue(database, endpoint.id);
    start();
    await settled(endpoint.id, "delivered");
    release();
    await stopped;
    expect(outcomes).toEqual(["delivered", "lost"]);
    await settled(endpoint.id, "delivered");
  });

  it("is woken, and need not look around in between", async () => {
    const account = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database, account.id, { url: receiver.url });
    const delivering = start({ timings: { pollMs: 600_000 } });
    await happen(database, account.id);
    delivering.wake();
    await settled(endpoint.id, "delivered");
    // More than an endpoint gets at a time: each that ends makes room for the next.
    for (let n = 0; n < 20; n++) await happen(database, account.id);
    delivering.wake();
    await settled(endpoint.id, "delivered");
  });

  it("shares with others: each delivery is made once", async () => {
    const account = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database, account.id, { url: receiver.url });
    const ids = new Set<string>();
    for (let n = 0; n < 24; n++) ids.add(await happen(database, account.id));
    for (let n = 0; n < 3; n++) start();
    await settled(endpoint.id, "delivered");
    const got = receiver.received.map(({ headers }) => headers["webhook-id"] ?? "");
    expect(got.sort()).toEqual([...ids].sort());
  });
});

describe("10,000 events that wait for one endpoint", () => {
  /** Planned by hand: what is tested is who comes next. */
  async function fill(endpointId: string, accountId: string): Promise<void> {
    await database.admin`
      WITH events AS (
        INSERT INTO ducat.outbox (account_id, type, data, seq)
        SELECT ${accountId}, 'credits.low', '{}', 0 FROM generate_series(1, 10000) RETURNING id)
      INSERT INTO ducat.webhook_deliveries
        (account_id, endpoint_id, event_account_id, event_id, event_type, due_at)
      SELECT ${accountId}, ${endpointId}, ${accountId}, id, 'credits.low', clock_timestamp()
      FROM events`;
    await database.admin`
      UPDATE ducat.webhook_endpoints SET due_at = clock_timestamp() WHERE id = ${endpointId}`;
  }

  it.each([
    ["answers 500", 500],
    ["receives them all", 200],
  ])("and %s delay another's by 16 deliveries at most", async (_, status) => {
    const [busy, other] = [await open(), await open()];
    busy.answer = (_request, response) => void response.writeHead(status).end();
    const crowded = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database, crowded.id, { url: busy.url });
    await fill(endpoint.id, crowded.id);
    start();
    await eventually(() => expect(busy.received.length).toBeGreaterThan(status === 200 ? 50 : 0));
    for (let n = 0; n < 5; n++) {
      const account = await makeAccount(database.app);
      const free = await makeEndpoint(database, account.id, { url: other.url });
      let arrivedAt = 0;
      other.answer = (_request, response) => {
        arrivedAt = busy.received.length;
        response.writeHead(200).end();
      };
      await happen(database, account.id);
      const plannedAt = busy.received.length;
      await settled(free.id, "delivered");
      expect(arrivedAt - plannedAt).toBeLessThanOrEqual(16);
    }
  });
});
