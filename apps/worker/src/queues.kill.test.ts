import { afterAll, beforeAll, expect, it } from "vitest";
import { startChild } from "../test/children.ts";
import { falRoute } from "../test/model-fal.ts";
import { createQueues, type Queues } from "../test/model-queues.ts";
import { type ModelServer, startModelServer } from "../test/model-server.ts";
import { assertBooks, eventually, type Stage, setStage } from "../test/stage.ts";

let stage: Stage;
let queues: Queues;
let server: ModelServer;
beforeAll(async () => {
  queues = createQueues([falRoute]);
  [stage, server] = await Promise.all([setStage("postgres"), startModelServer(queues)]);
});
afterAll(async () => {
  await stage.close();
  await server.close();
});

const makeItem = async () => {
  const order = server.books.order();
  const input = { type: "text", prompt: order.prompt };
  return { order, item: await stage.makeItem({}, { style: "modern_minimalist", input }) };
};

it("a worker that is killed while the provider works: its result is fetched, not paid again", async () => {
  queues.hold();
  const made = await Promise.all(Array.from({ length: 3 }, makeItem));
  const items = made.map(({ item }) => item);
  const first = await startChild(stage, { falUrl: server.url });
  await stage.enqueue(...items);
  await eventually(() => {
    expect(queues.works().filter(({ asked }) => asked > 0)).toHaveLength(3);
  });
  await first.kill();
  queues.release();
  const second = await startChild(stage, { falUrl: server.url });
  for (const row of await stage.ended(...items)) {
    expect(row).toMatchObject({ status: "completed", failures: 0 });
    expect(row.attempt).toBeGreaterThan(1);
  }
  expect(made.map(({ order }) => server.books.submissions(order.id).length)).toEqual([1, 1, 1]);
  await assertBooks(stage, items);
  await second.kill();
});

it("a worker that is killed before it knows the id: paid back, and not submitted again", async () => {
  const { order, item } = await makeItem();
  // The first id that is saved is the mark: it is stored, and nothing has left.
  const arms = { [item.itemId]: "after-request-saved" } as const;
  const child = await startChild(stage, { falUrl: server.url, arms });
  await stage.enqueue(item);
  await child.reaches("after-request-saved", item.itemId);
  await child.kill();
  await startChild(stage, { falUrl: server.url });
  const [row] = await stage.ended(item);
  expect(row).toMatchObject({ status: "failed", error_code: "outcome_unknown" });
  expect(server.books.submissions(order.id)).toEqual([]);
  await assertBooks(stage, [item]);
});
