import { afterEach, beforeEach, expect, it } from "vitest";
import { type Child, startChild } from "../../test/children.ts";
import { makeEndpoint } from "../../test/deliveries.ts";
import { openReceiver, type Receiver, verify } from "../../test/receiver.ts";
import { eventually, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
let receiver: Receiver;
beforeEach(async () => {
  stage = await setStage("postgres");
  receiver = await openReceiver();
  stage.webhookHosts.push(receiver.host);
});
afterEach(async () => {
  await receiver.close();
  await stage.close();
});

const untilDelivered = () =>
  eventually(async () => {
    const rows = await stage.db.admin<{ status: string; attempts: number }[]>`
      SELECT status, attempts FROM ducat.webhook_deliveries`;
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.filter(({ status }) => status !== "delivered")).toEqual([]);
    return rows;
  });

it("what was on its way when its worker died comes again under its id", async () => {
  const item = await stage.makeItem({}, { webhookUrl: receiver.url });
  await stage.enqueue(item);
  const first = await startChild(stage);
  receiver.answer = (_, response) => {
    receiver.answer = (_request, second) => void second.writeHead(200).end();
    // It has the whole event; its answer finds nobody.
    void first.kill().then(() => response.writeHead(200).end());
  };
  expect(await first.exited).toBe(null);
  await startChild(stage);
  const [row] = await untilDelivered();
  expect(row?.attempts).toBe(2);
  const [one, two] = receiver.received;
  expect(receiver.received).toHaveLength(2);
  expect(two?.headers["webhook-id"]).toBe(one?.headers["webhook-id"]);
  expect(two?.body).toBe(one?.body);
});

it("a worker that is told to stop gives back what has no time, and another goes on", async () => {
  const item = await stage.makeItem({}, { webhookUrl: receiver.url });
  await stage.enqueue(item);
  const child = await startChild(stage, { graceMs: 0 });
  receiver.answer = () => {
    receiver.answer = (_, response) => void response.writeHead(200).end();
    child.signal("SIGTERM");
  };
  expect(await child.exited).toBe(0);
  const [left] = await stage.db.admin`
    SELECT status, attempts, due_at <= clock_timestamp() AS is_due, log
    FROM ducat.webhook_deliveries`;
  expect(left).toEqual({ status: "pending", attempts: 0, is_due: true, log: [] });
  await stage.createWorker().start();
  await untilDelivered();
  const ids = receiver.received.map(({ headers }) => headers["webhook-id"]);
  expect(ids).toEqual([ids[0], ids[0]]);
});

it("every generation that ended is heard of, however often workers are killed", async () => {
  const items = await Promise.all(
    Array.from({ length: 12 }, (_, n) => stage.makeItem(n % 3 === 0 ? { fault: "failed" } : {})),
  );
  const endpoints = await Promise.all(
    items.map(({ accountId }) =>
      makeEndpoint(stage.db, accountId, { url: `${receiver.url}/${accountId}` }),
    ),
  );
  let worker: Child | undefined;
  let requests = 0;
  receiver.answer = (_, response) => {
    requests += 1;
    // Before its answer, or while that is written down.
    if (requests % 4 === 0) void worker?.kill();
    response.writeHead(204).end();
    if (requests % 6 === 0) void worker?.kill();
  };
  await stage.enqueue(...items);
  let killed = 0;
  for (; killed < 4; killed++) {
    worker = await startChild(stage);
    const done = untilDelivered().then(() => stage.ended(...items));
    if (await Promise.race([worker.exited.then(() => false), done.then(() => true)])) break;
  }
  expect(killed).toBeGreaterThan(0);
  await worker?.kill();
  receiver.answer = (_, response) => void response.writeHead(204).end();
  await startChild(stage);
  await stage.ended(...items);
  await untilDelivered();
  for (const [n, { accountId, generationId }] of items.entries()) {
    const got = receiver.received
      .filter(({ path }) => path.endsWith(accountId))
      .map((one) => ({ ...one, event: verify(one, endpoints[n]?.secret ?? "") }))
      .filter(({ event }) => String(event.type).startsWith("generation."));
    expect(got.length).toBeGreaterThanOrEqual(1);
    expect(new Set(got.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    expect(new Set(got.map(({ body }) => body)).size).toBe(1);
    expect(got[0]?.event.data).toMatchObject({ generation_id: generationId });
  }
});
