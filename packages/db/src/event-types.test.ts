import { readdir, readFile } from "node:fs/promises";
import { Event, eventTypes } from "@ducat/types/events";
import { webhookEventTypes } from "@ducat/types/webhook-endpoints";
import { expect, it } from "vitest";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { claimOf, makeEndpoint, settle } from "../test/webhooks.ts";
import { claim, complete, fail } from "../test/work.ts";
import { relayEvents } from "./events.ts";
import { cancelGeneration } from "./generations.ts";
import { testEndpoint } from "./webhook-endpoints.ts";

const database = useDatabase({ checksEvents: true });
const directory = new URL("../sql/", import.meta.url);

async function readTypes(accountId: string): Promise<string[]> {
  const rows = await database.admin<{ type: string }[]>`
    SELECT type FROM ducat.outbox WHERE account_id = ${accountId} ORDER BY id`;
  return rows.map(({ type }) => type);
}

it("each type that is written has a contract, and each contract is of one that is written", async () => {
  const files = (await readdir(directory)).filter((name) => name.endsWith(".sql"));
  const texts = await Promise.all(files.map((name) => readFile(new URL(name, directory), "utf8")));
  const written = new Set<string>();
  for (const [, type = "", rest = ""] of texts
    .join("\n")
    .matchAll(/'([a-z_]+\.[a-z_]*)'( \|\| )?/g)) {
    if (rest && ["generation.", "item."].includes(type)) {
      for (const status of ["completed", "failed", "canceled"]) written.add(type + status);
    } else if (eventTypes.includes(type as never)) written.add(type);
  }
  expect([...written].sort()).toEqual([...eventTypes].sort());
  const emits = [...texts.join("\n").matchAll(/PERFORM emit\([\w.()]+, '([a-z_.]+)'/g)];
  expect(emits.length).toBeGreaterThan(10);
  for (const [, type = ""] of emits) {
    expect(eventTypes.some((known) => known === type || known.startsWith(type))).toBe(true);
  }
});

it("webhooks may name every type but the test's own", () => {
  expect([...webhookEventTypes].sort()).toEqual(
    eventTypes.filter((type) => type !== "webhook.test").sort(),
  );
});

it("a type tells what its data has", () => {
  const id = "01a3c5e7-9b1d-7f3a-8c5e-7092b4d6f8a1";
  const bare = { id, account_id: id, created_at: "2026-11-20T09:30:00.000Z" };
  const low = { ...bare, type: "credits.low", data: { available: 1, threshold: 5 } };
  expect(Event.parse(low)).toEqual(low);
  for (const wrong of [
    { ...low, type: "credits.lost" },
    { ...low, type: "credits.expired" },
    { ...low, data: { available: 1 } },
    { ...low, created_at: "2026-11-20" },
  ]) {
    expect(Event.safeParse(wrong).success).toBe(false);
  }
});

it("items and generations end in events of their types", async () => {
  const { id } = await makeAccount(database.app, 9);
  const made = await makeGeneration(database.app, id, { labels: ["a", null, null] });
  await complete(database.worker, await claim(database.worker, id, made), 0);
  await fail(database.worker, await claim(database.worker, id, made, { position: 1 }));
  await cancelGeneration(database.app, id, made.id);
  const types = (await readTypes(id)).filter((type) => !type.startsWith("credits."));
  expect(types).toEqual(["item.completed", "item.failed", "item.canceled", "generation.completed"]);
});

it("an endpoint that is tested and one that is gone say so", async () => {
  const { id } = await makeAccount(database.app);
  while ((await relayEvents(database.worker, { limit: 500 })).relayed > 0);
  const endpoint = await makeEndpoint(database.app, id);
  const audit = { actor: "test", request_id: "test", ip: null };
  await testEndpoint(database.app, id, { id: endpoint.id, audit });
  const [claimed] = await claimOf(database.worker, id);
  if (!claimed) throw new Error("nothing to deliver");
  await settle(database.worker, claimed, { ok: false, status: 410, gone: true });
  expect(await readTypes(id)).toEqual([
    "credits.granted",
    "webhook.test",
    "webhook_endpoint.disabled",
  ]);
});
