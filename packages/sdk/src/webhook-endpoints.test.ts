import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { order, type Stage, setStage } from "../test/stage.ts";
import { verifyWebhook } from "./webhooks.ts";

type Received = { path: string; headers: IncomingHttpHeaders; body: Buffer };

describe("what the API sends", () => {
  const received: Received[] = [];
  const receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { url = "", headers } = request;
    received.push({ path: url, headers, body: Buffer.concat(chunks) });
    response.writeHead(204).end();
  });
  let stage: Stage;
  let url: string;
  beforeAll(async () => {
    receiver.listen(0, "127.0.0.1");
    await once(receiver, "listening");
    const host = `127.0.0.1:${(receiver.address() as AddressInfo).port}`;
    url = `http://${host}`;
    stage = await setStage({ hasWorker: true, webhookHosts: [host] });
  });
  afterAll(async () => {
    await stage.close();
    receiver.closeAllConnections();
    receiver.close();
  });
  /** Waits for the first that came to a path. */
  const find = (path: string, from = 0) =>
    vi.waitFor(
      () => {
        const found = received.slice(from).find((one) => one.path === path);
        if (!found) throw new Error(`nothing came to ${path}`);
        return found;
      },
      { timeout: 30_000, interval: 20 },
    );

  it("is verified with the endpoint's secret, also while it is being replaced", async () => {
    const ducat = await stage.createClient();
    const body = { url: `${url}/shop`, events: ["generation.completed" as const] };
    const made = await ducat.webhookEndpoints.create(body);
    const { id } = await ducat.generations.create(order());
    const event = await verifyWebhook({ ...(await find("/shop")), secret: made.secret });
    if (event.type !== "generation.completed") return expect.unreachable();
    expect([event.data.generation_id, event.account_id]).toEqual([id, ducat.account]);

    const { secret, former } = await ducat.webhookEndpoints.rotate(made.id);
    expect(former.map((one) => one.secret)).toEqual([made.secret]);
    const before = received.length;
    await ducat.webhookEndpoints.test(made.id);
    const test = await find("/shop", before);
    for (const one of [secret, made.secret]) {
      const told = await verifyWebhook({ ...test, secret: one });
      expect(told).toMatchObject({ type: "webhook.test", data: { endpoint_id: made.id } });
    }
    const statuses = [];
    for await (const { event_type } of ducat.webhookEndpoints.deliveries(made.id)) {
      statuses.push(event_type);
    }
    expect(statuses).toEqual(["webhook.test", "generation.completed"]);
    await ducat.webhookEndpoints.update(made.id, { status: "disabled" });
    expect((await ducat.webhookEndpoints.list()).data).toMatchObject([{ status: "disabled" }]);
    await ducat.webhookEndpoints.delete(made.id);
    expect((await ducat.webhookEndpoints.list()).data).toEqual([]);
  });

  it("is verified with the account's secret where a generation names its own address", async () => {
    const ducat = await stage.createClient();
    const { secret } = await ducat.webhookSecret.get();
    const { id } = await ducat.generations.create({ ...order(), webhook_url: `${url}/one` });
    const event = await verifyWebhook({ ...(await find("/one")), secret });
    expect(event).toMatchObject({ type: "generation.completed", data: { generation_id: id } });
  });
});
