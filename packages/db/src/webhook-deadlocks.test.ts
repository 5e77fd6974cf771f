import { expect, it } from "vitest";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { makeEndpoint, settle } from "../test/webhooks.ts";
import { eraseAccount } from "./erasures.ts";
import { relayEvents } from "./events.ts";
import { cancelGeneration } from "./generations.ts";
import { forgetEndpoints } from "./purges.ts";
import { claimDeliveries, replayDeliveries } from "./webhook-deliveries.ts";
import { deploymentId, testEndpoint, updateEndpoint } from "./webhook-endpoints.ts";

const database = useDatabase();
const audit = { actor: "test", request_id: "test", ip: null };

/** An account with two endpoints and ends of generations for two hosts. */
async function makeOwner() {
  const { id } = await makeAccount(database.app, 10);
  const endpoints = [await makeEndpoint(database.app, id), await makeEndpoint(database.app, id)];
  for (const host of ["b.example", "a.example"]) {
    const webhookUrl = `https://${host}/${id}`;
    const made = await makeGeneration(database.app, id, { webhookUrl });
    await cancelGeneration(database.app, id, made.id);
  }
  return { id, endpointIds: endpoints.map((endpoint) => endpoint.id) };
}

/** What workers do: number, claim, settle (some say that they are gone), clean up. */
async function work(rounds: number) {
  for (let n = 0; n < rounds; n++) {
    await relayEvents(database.worker, { limit: 40 });
    const claimed = await claimDeliveries(database.worker, { limit: 20, leaseSeconds: 60 });
    await Promise.all(
      claimed.map((one, nth) =>
        settle(database.worker, one, nth % 3 ? {} : { ok: false, gone: nth % 2 === 0 }),
      ),
    );
    await forgetEndpoints(database.worker, 100);
  }
}

/** What owners do: test, replay, switch off and on, and leave. */
async function own({ id, endpointIds }: Awaited<ReturnType<typeof makeOwner>>) {
  for (const endpointId of endpointIds) {
    const change = { id: endpointId, audit };
    await updateEndpoint(database.app, id, { ...change, status: "disabled" });
    await updateEndpoint(database.app, id, { ...change, status: "enabled" });
    const wish = { endpointId, audit, limit: 100, dryRun: false };
    const tried = await Promise.allSettled([
      testEndpoint(database.app, id, change),
      replayDeliveries(database.app, id, { ...wish, what: "missed" }),
      replayDeliveries(database.app, id, { ...wish, what: "failed" }),
    ]);
    for (const one of tried) {
      // It may have been given up again meanwhile.
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "invalid_state" });
    }
  }
  await eraseAccount(database.app, id, { isConfirmed: true, audit });
}

it("numbering, sending, replaying and erasing never wait for each other in a circle", async () => {
  await makeEndpoint(database.app, deploymentId);
  const owners = await Promise.all(Array.from({ length: 12 }, makeOwner));
  await Promise.all([work(8), work(8), ...owners.map(own)]);
  const [row] = await database.admin`
    SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()`;
  expect(row?.deadlocks).toBe(0);
  // What was being numbered when its account was erased.
  for (const _ of owners) await forgetEndpoints(database.worker, 100);
  const left = await database.admin`
    SELECT id FROM ducat.webhook_endpoints WHERE account_id <> ${deploymentId}`;
  expect(left).toEqual([]);
  const events = await database.admin`
    SELECT data FROM ducat.outbox WHERE type = 'webhook_endpoint.disabled'
      AND account_id <> ${deploymentId} AND data ->> 'url' <> 'erased'`;
  expect(events).toEqual([]);
});
