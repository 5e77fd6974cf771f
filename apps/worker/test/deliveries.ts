import { randomUUID } from "node:crypto";
import { relayEvents } from "@ducat/db/events";
import { createEndpoint, type Endpoint } from "@ducat/db/webhook-endpoints";
import { createWebhookSecrets } from "@ducat/messages/webhook-secrets";
import type { TestDatabase } from "../../../packages/db/test/clone.ts";

export const secrets = createWebhookSecrets(["s".repeat(32)]);
export const audit = { actor: "test", request_id: randomUUID(), ip: null };

type Databases = Pick<TestDatabase, "app" | "worker" | "admin">;

/** An endpoint that hears what happens from now on, and what signs what is sent to it. */
export async function makeEndpoint(
  { app, worker }: Databases,
  accountId: string,
  { url, events = null }: { url: string; events?: string[] | null },
): Promise<Endpoint & { secret: string }> {
  while ((await relayEvents(worker, { limit: 500 })).relayed > 0);
  const { secret, sealed } = secrets.make();
  const made = { url, events, description: null, secret: sealed, audit };
  return { ...(await createEndpoint(app, accountId, made)), secret };
}

/** Something happens to an account; returns its id once deliveries of it are planned. */
export async function happen(
  { admin, worker }: Databases,
  accountId: string,
  { type = "credits.low", data = { available: 1 } }: { type?: string; data?: object } = {},
): Promise<string> {
  await admin`SELECT ducat.emit(${accountId}, ${type}, ${JSON.stringify(data)}::text::jsonb)`;
  const [row] = await admin<{ id: string }[]>`
    SELECT id FROM ducat.outbox WHERE account_id = ${accountId} ORDER BY id DESC LIMIT 1`;
  await relayEvents(worker, { limit: 500 });
  return row?.id ?? "";
}

export type DeliveryRow = {
  id: string;
  event_id: string;
  status: string;
  attempts: number;
  due_at: Date | null;
  log: { status?: number | null; error?: string | null }[];
};

/** An endpoint's deliveries, the oldest first. */
export const readDeliveries = ({ admin }: Databases, endpointId: string) =>
  admin<DeliveryRow[]>`
    SELECT id, event_id, status, attempts, due_at, log FROM ducat.webhook_deliveries
    WHERE endpoint_id = ${endpointId} ORDER BY event_id`;

/** Lets the time pass until an endpoint and everything that waits for it is due. */
export async function makeDue({ admin }: Databases, endpointId: string): Promise<void> {
  await admin`UPDATE ducat.webhook_deliveries SET due_at = clock_timestamp()
    WHERE endpoint_id = ${endpointId} AND due_at IS NOT NULL`;
  await admin`UPDATE ducat.webhook_endpoints SET retry_at = NULL, due_at = clock_timestamp()
    WHERE id = ${endpointId}`;
}
