import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { claimOf, makeEndpoint, planEvents, planOutbox, replan } from "../test/webhooks.ts";
import { cancelGeneration } from "./generations.ts";
import { claimDeliveries, listDeliveries } from "./webhook-deliveries.ts";
import {
  deploymentId,
  ensureWebhookSecret,
  listEndpoints,
  updateEndpoint,
} from "./webhook-endpoints.ts";

const database = useDatabase();
const audit = { actor: "test", request_id: "test", ip: null };

const typesAt = async (accountId: string, endpointId: string) => {
  const all = await listDeliveries(database.app, accountId, { endpointId, limit: 101 });
  return all.map(({ event_type }) => event_type).reverse();
};

describe("plan_deliveries", () => {
  it("sends all types but items, or just those that an endpoint asks for", async () => {
    const { id } = await makeAccount(database.app);
    const all = await makeEndpoint(database.app, id);
    const some = await makeEndpoint(database.app, id, { events: ["item.failed", "credits.low"] });
    for (const type of ["credits.low", "item.failed", "payment.failed", "webhook.test"]) {
      await planEvents(database.admin, id, { type });
    }
    expect(await typesAt(id, all.id)).toEqual(["credits.low", "payment.failed"]);
    expect(await typesAt(id, some.id)).toEqual(["credits.low", "item.failed"]);
  });

  it("plans an event once, however often it is asked to", async () => {
    const { id } = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database.app, id);
    const events = await planEvents(database.admin, id, { count: 3 });
    await Promise.all([1, 2, 3, 4].map(() => replan(database.admin, id, events)));
    expect(await typesAt(id, endpoint.id)).toHaveLength(3);
  });

  it("plans nothing for another account, a disabled endpoint, or what is not there", async () => {
    const { id } = await makeAccount(database.app);
    const other = await makeAccount(database.app);
    const foreign = await makeEndpoint(database.app, other.id);
    const endpoint = await makeEndpoint(database.app, id);
    const change = { id: endpoint.id, status: "disabled", audit } as const;
    await updateEndpoint(database.app, id, change);
    await planEvents(database.admin, id, {});
    await replan(database.admin, id, [randomUUID()]);
    expect(await typesAt(id, endpoint.id)).toEqual([]);
    expect(await typesAt(other.id, foreign.id)).toEqual([]);
  });

  it("tells the deployment of every account, and no account of the deployment", async () => {
    const { id } = await makeAccount(database.app);
    const own = await makeEndpoint(database.app, deploymentId, { events: ["payment.failed"] });
    const theirs = await makeEndpoint(database.app, id);
    await planEvents(database.admin, id, { type: "payment.failed" });
    await planEvents(database.admin, deploymentId, { type: "payment.failed" });
    const heard = await listDeliveries(database.app, deploymentId, {
      endpointId: own.id,
      limit: 9,
    });
    expect(heard.map(({ account_id }) => account_id)).toEqual([deploymentId, id]);
    expect(await typesAt(id, theirs.id)).toEqual(["payment.failed"]);
  });

  it("gives nothing new to an endpoint that is disabled meanwhile", async () => {
    const { id } = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database.app, id);
    const disabled = database.app.begin(async (sql) => {
      await sql`SELECT ducat.update_webhook_endpoint(${id}, ${endpoint.id},
        '{"status": "disabled"}', '{}')`;
      const planning = planEvents(database.admin, id, {});
      await untilWaiting(database.admin);
      return { planning };
    });
    await (await disabled).planning;
    expect(await typesAt(id, endpoint.id)).toEqual([]);
  });
});

/** Until somebody waits for a lock. */
async function untilWaiting(admin: typeof database.admin): Promise<void> {
  for (;;) {
    const waiting = await admin`
      SELECT FROM pg_stat_activity WHERE datname = current_database()
        AND wait_event_type = 'Lock'`;
    if (waiting.length > 0) return;
  }
}

describe("a generation's webhook_url", () => {
  const end = async (accountId: string, webhookUrl: string) => {
    const made = await makeGeneration(database.app, accountId, { webhookUrl });
    await cancelGeneration(database.app, accountId, made.id);
    return made.id;
  };

  it("gets its end alone, signed by the account, in a line of its host's own", async () => {
    const { id } = await makeAccount(database.app);
    await ensureWebhookSecret(database.app, id, { sealed: "what signs for the account" });
    const first = await end(id, "https://One.example/a?b=c");
    const second = await end(id, "https://one.example/d");
    await end(id, "http://two.example:8080\\a");
    await planOutbox(database.admin, id);
    await planOutbox(database.admin, id);
    const claimed = await claimOf(database.worker, id);
    const urls = claimed.map(({ url }) => url).sort();
    expect(urls).toEqual([
      "http://two.example:8080\\a",
      "https://One.example/a?b=c",
      "https://one.example/d",
    ]);
    const ids = claimed.map(({ event }) => event.data.generation_id);
    expect(ids).toEqual(expect.arrayContaining([first, second]));
    expect(new Set(claimed.map(({ endpointId }) => endpointId)).size).toBe(2);
    for (const { kind, sealedSecrets, event } of claimed) {
      expect(kind).toBe("origin");
      expect(sealedSecrets).toEqual([{ sealed: "what signs for the account" }]);
      expect(event.type).toBe("generation.canceled");
    }
    const hosts = await database.admin`
      SELECT url FROM ducat.webhook_endpoints WHERE account_id = ${id} ORDER BY url`;
    expect(hosts.map(({ url }) => url)).toEqual([
      ...["http://two.example:8080", "https://one.example"],
    ]);
    expect(await listEndpoints(database.app, id)).toEqual([]);
  });

  it("goes into the line that its host has", async () => {
    const { id } = await makeAccount(database.app);
    for (const path of ["one", "two"]) {
      await end(id, `https://same.example/${path}`);
      await planOutbox(database.admin, id);
    }
    const claimed = await claimOf(database.worker, id);
    expect(claimed.map(({ url }) => url.slice(-3)).sort()).toEqual(["one", "two"]);
    expect(claimed[0]?.endpointId).toBe(claimed[1]?.endpointId);
  });

  it("is planned in parallel without a second line", async () => {
    const { id } = await makeAccount(database.app, 20);
    for (let n = 0; n < 4; n++) await end(id, `https://same.example/${n}`);
    await Promise.all([1, 2, 3, 4].map(() => planOutbox(database.admin, id)));
    const rows = await database.admin`
      SELECT endpoint_id FROM ducat.webhook_deliveries WHERE account_id = ${id}`;
    expect(rows).toHaveLength(4);
    expect(new Set(rows.map(({ endpoint_id }) => endpoint_id)).size).toBe(1);
  });

  it("is not in the way of endpoints that hear of the same event", async () => {
    const { id } = await makeAccount(database.app);
    const endpoint = await makeEndpoint(database.app, id, { events: ["generation.canceled"] });
    await end(id, "https://one.example/");
    await planOutbox(database.admin, id);
    const claimed = await claimDeliveries(database.worker, { limit: 100, leaseSeconds: 60 });
    const ours = claimed.filter(({ accountId }) => accountId === id);
    expect(ours.map(({ kind }) => kind).sort()).toEqual(["endpoint", "origin"]);
    expect(new Set(ours.map(({ event }) => event.id)).size).toBe(1);
    expect(await typesAt(id, endpoint.id)).toEqual(["generation.canceled"]);
  });
});
