import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";
import type { StoredSecret } from "./schema/webhook-endpoints.ts";
import type { Delivery } from "./webhook-deliveries.ts";

/** The owner of the deployment's own endpoints, which hear of all accounts. */
export const deploymentId = "00000000-0000-0000-0000-000000000000";

/** An endpoint as its owner sees it. Times are as PostgreSQL writes them in JSON. */
export type Endpoint = {
  id: string;
  url: string;
  description: string | null;
  events: string[] | null;
  status: "enabled" | "disabled";
  disabled_reason: "manual" | "gone" | "failing" | null;
  disabled_at: string | null;
  failing_since: string | null;
  failures: number;
  retry_at: string | null;
  last_success_at: string | null;
  created_at: string;
  updated_at: string;
};

/** A secret that is sealed; it holds {secret}. */
type SealedSecret = { sealed: string };

export type NewEndpoint = {
  url: string;
  description: string | null;
  /** null: all but item.*. */
  events: readonly string[] | null;
};

/**
 * Makes an endpoint. Errors: not_found (account), invalid_state (reason: too_many_endpoints).
 */
export async function createEndpoint(
  db: Db,
  accountId: string,
  { secret, audit, ...endpoint }: NewEndpoint & { secret: SealedSecret; audit: Audit },
): Promise<Endpoint> {
  const [row] = await ask(db<{ made: Endpoint }[]>`
    SELECT ducat.create_webhook_endpoint(${accountId}, ${JSON.stringify(endpoint)}::text::jsonb,
      ${JSON.stringify(secret)}::text::jsonb, ${JSON.stringify(audit)}::text::jsonb) AS made`);
  if (!row) throw new Error("create_webhook_endpoint returned nothing");
  return row.made;
}

export type EndpointChange = {
  url?: string | undefined;
  description?: string | null | undefined;
  events?: readonly string[] | null | undefined;
  status?: "enabled" | "disabled" | undefined;
};

/** Changes what is named. Errors: not_found. */
export async function updateEndpoint(
  db: Db,
  accountId: string,
  { id, audit, ...change }: EndpointChange & { id: string; audit: Audit },
): Promise<Endpoint> {
  const [row] = await ask(db<{ changed: Endpoint }[]>`
    SELECT ducat.update_webhook_endpoint(${accountId}, ${id},
      ${JSON.stringify(change)}::text::jsonb, ${JSON.stringify(audit)}::text::jsonb) AS changed`);
  if (!row) throw new Error("update_webhook_endpoint returned nothing");
  return row.changed;
}

/** Takes an endpoint away and gives up what waits for it. Errors: not_found. */
export async function deleteEndpoint(
  db: Db,
  accountId: string,
  { id, audit }: { id: string; audit: Audit },
): Promise<void> {
  await ask(db`
    SELECT ducat.delete_webhook_endpoint(${accountId}, ${id},
      ${JSON.stringify(audit)}::text::jsonb)`);
}

/** An owner's endpoints, newest first, all of them: 64 at most. */
export async function listEndpoints(db: Db, accountId: string): Promise<Endpoint[]> {
  const rows = await ask(db<{ endpoint: Endpoint }[]>`
    SELECT endpoint FROM ducat.list_webhook_endpoints(${accountId}) AS endpoint`);
  return rows.map(({ endpoint }) => endpoint);
}

export async function findEndpoint(
  db: Db,
  accountId: string,
  id: string,
): Promise<Endpoint | undefined> {
  const [row] = await ask(db<{ found: Endpoint | null }[]>`
    SELECT ducat.find_webhook_endpoint(${accountId}, ${id}) AS found`);
  return row?.found ?? undefined;
}

/** What signs for an endpoint now, the newest first. Errors: not_found. */
export async function readEndpointSecrets(
  db: Db,
  accountId: string,
  id: string,
): Promise<StoredSecret[]> {
  const [row] = await ask(db<{ secrets: StoredSecret[] }[]>`
    SELECT ducat.read_endpoint_secrets(${accountId}, ${id}) AS secrets`);
  return row?.secrets ?? [];
}

type Rotation = { secret: SealedSecret; overlapSeconds: number; audit: Audit };

/** Puts a new secret before the others; returns what signs now, the newest first. */
export async function rotateSecret(
  db: Db,
  accountId: string,
  { id, secret, overlapSeconds, audit }: Rotation & { id: string },
): Promise<StoredSecret[]> {
  const [row] = await ask(db<{ secrets: StoredSecret[] }[]>`
    SELECT ducat.rotate_endpoint_secret(${accountId}, ${id},
      ${JSON.stringify(secret)}::text::jsonb, ${overlapSeconds},
      ${JSON.stringify(audit)}::text::jsonb) AS secrets`);
  return row?.secrets ?? [];
}

/**
 * What signs deliveries to the webhook_url of an account's generations, the newest first; where
 * there is nothing yet, `secret` is kept. Errors: not_found (account).
 */
export async function ensureWebhookSecret(
  db: Db,
  accountId: string,
  secret: SealedSecret,
): Promise<StoredSecret[]> {
  const [row] = await ask(db<{ secrets: StoredSecret[] }[]>`
    SELECT ducat.ensure_webhook_secret(${accountId},
      ${JSON.stringify(secret)}::text::jsonb) AS secrets`);
  return row?.secrets ?? [];
}

/** As rotateSecret, of what signs for webhook_url. Errors: not_found (account). */
export async function rotateWebhookSecret(
  db: Db,
  accountId: string,
  { secret, overlapSeconds, audit }: Rotation,
): Promise<StoredSecret[]> {
  const [row] = await ask(db<{ secrets: StoredSecret[] }[]>`
    SELECT ducat.rotate_webhook_secret(${accountId}, ${JSON.stringify(secret)}::text::jsonb,
      ${overlapSeconds}, ${JSON.stringify(audit)}::text::jsonb) AS secrets`);
  return row?.secrets ?? [];
}

/** Sends a test event to one endpoint. Errors: not_found, invalid_state (endpoint_disabled). */
export async function testEndpoint(
  db: Db,
  accountId: string,
  { id, audit }: { id: string; audit: Audit },
): Promise<Delivery> {
  const [row] = await ask(db<{ delivery: Delivery }[]>`
    SELECT ducat.test_webhook_endpoint(${accountId}, ${id},
      ${JSON.stringify(audit)}::text::jsonb) AS delivery`);
  if (!row) throw new Error("test_webhook_endpoint returned nothing");
  return row.delivery;
}
