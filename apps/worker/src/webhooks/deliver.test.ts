import { ensureWebhookSecret } from "@ducat/db/webhook-endpoints";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeEndpoint, secrets } from "../../test/deliveries.ts";
import { openReceiver, type Receiver, verify } from "../../test/receiver.ts";
import { eventually, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
let receiver: Receiver;
beforeAll(async () => {
  stage = await setStage("postgres");
  receiver = await openReceiver();
  stage.webhookHosts.push(receiver.host);
});
afterAll(async () => {
  await receiver.close();
  await stage.close();
});

it("the end of a generation is heard at its webhook_url and by its account's endpoint", async () => {
  const item = await stage.makeItem({}, { webhookUrl: `${receiver.url}/order-7` });
  const endpoint = await makeEndpoint(stage.db, item.accountId, { url: `${receiver.url}/all` });
  // Nobody looks around: who numbers events tells who delivers them.
  const deliver = { pollMs: 600_000, slowMs: 2_000, leaseSeconds: 60 };
  await stage.createWorker({ timings: { deliver } }).start();
  await stage.enqueue(item);
  await stage.ended(item);
  const ended = await eventually(() => {
    const got = receiver.received.filter(({ body }) => body.includes("generation.completed"));
    expect(got.map(({ path }) => path).sort()).toEqual(["/hook/all", "/hook/order-7"]);
    return got;
  });
  const unused = secrets.make().sealed;
  const [kept] = await ensureWebhookSecret(stage.db.app, item.accountId, unused);
  for (const one of ended) {
    const secret = one.path === "/hook/all" ? endpoint.secret : secrets.open(kept ?? unused);
    expect(verify(one, secret)).toMatchObject({
      ...{ id: one.headers["webhook-id"], type: "generation.completed" },
      ...{ account_id: item.accountId, data: { generation_id: item.generationId } },
    });
  }
  expect(ended[0]?.headers["webhook-id"]).toBe(ended[1]?.headers["webhook-id"]);
});
