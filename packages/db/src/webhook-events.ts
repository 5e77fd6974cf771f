import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";

type Mode = "test" | "live";

export const webhookStatuses = ["received", "processed", "ignored", "dead"] as const;
export type WebhookStatus = (typeof webhookStatuses)[number];

/** An event as a person may see it; times are ISO 8601 as PostgreSQL writes them in JSON. */
export type WebhookEvent = {
  id: string;
  provider: string;
  mode: Mode;
  delivery_id: string;
  event_type: string;
  occurred_at: string;
  status: WebhookStatus;
  retry_count: number;
  last_error: string | null;
  due_at: string | null;
  unknown_since: string | null;
  waits_for: string | null;
  processed_at: string | null;
  retried_at: string | null;
  resolved_at: string | null;
  resolved_by: string | null;
  created_at: string;
  has_body: boolean;
};

/**
 * Keeps a verified webhook, once per provider, mode and dedupe key. Errors: validation_failed
 * (names or body are too long), unavailable.
 */
export async function storeWebhookEvent(
  db: Db,
  event: {
    provider: string;
    mode: Mode;
    dedupe: string;
    deliveryId: string;
    type: string;
    occurredAt: Date;
    body: Uint8Array;
  },
): Promise<{ id: string; status: WebhookStatus; isNew: boolean }> {
  const { provider, mode, dedupe, deliveryId, type, occurredAt, body } = event;
  const [row] = await ask(db<{ id: string; status: WebhookStatus; is_new: boolean }[]>`
    SELECT id, status, is_new
    FROM ducat.store_webhook_event(${provider}, ${mode}, ${dedupe}, ${deliveryId}, ${type},
      ${occurredAt}, ${body})`);
  if (!row) throw new Error("store_webhook_event returned nothing");
  return { id: row.id, status: row.status, isNew: row.is_new };
}

/** The providers that a worker can speak with, and in which mode. */
export type Reach = { providers: readonly string[]; mode: Mode };

export type ClaimedWebhook = {
  id: string;
  provider: string;
  event_type: string;
  body: Uint8Array | null;
  lease_token: string;
  /** Claims so far, this one included. */
  tries: number;
  /** For how long we have known that we can't place it. */
  unknown_seconds: number | null;
};

/** Takes a due event for a while; undefined when there is nothing to do. */
export async function claimWebhookEvent(
  db: Db,
  id: string,
  { providers, mode, leaseSeconds }: Reach & { leaseSeconds: number },
): Promise<ClaimedWebhook | undefined> {
  const [row] = await ask(db<ClaimedWebhook[]>`
    SELECT id, provider, event_type, body, lease_token, tries, unknown_seconds
    FROM ducat.claim_webhook_event(${id}, ${providers as string[]}, ${mode}, ${leaseSeconds})`);
  return row;
}

export type WebhookEnd =
  | { status: "processed" }
  | { status: "ignored"; error?: string; waitsFor?: string }
  | { status: "dead"; error: string }
  | { status: "received"; error: string; delaySeconds: number; waitsFor?: string };

/** Ends a claim; false when it was no longer ours: then nothing was written. */
export async function finishWebhookEvent(
  db: Db,
  claim: Pick<ClaimedWebhook, "id" | "lease_token">,
  end: WebhookEnd,
): Promise<boolean> {
  const {
    error = null,
    delaySeconds = null,
    waitsFor = null,
  } = end as {
    error?: string;
    delaySeconds?: number;
    waitsFor?: string;
  };
  const [row] = await ask(db<{ ours: boolean }[]>`
    SELECT ducat.finish_webhook_event(${claim.id}, ${claim.lease_token}, ${end.status}, ${error},
      ${delaySeconds}, ${waitsFor}) AS ours`);
  return row?.ours ?? false;
}

/** The ids of due events, longest due first, 500 at most. */
export async function findDueWebhookEvents(
  db: Db,
  { providers, mode, limit }: Reach & { limit: number },
): Promise<string[]> {
  const rows = await ask(db<{ id: string }[]>`
    SELECT id
    FROM ducat.find_due_webhook_events(${providers as string[]}, ${mode}, ${limit}) AS id`);
  return rows.map(({ id }) => id);
}

/** Wakes events that waited for what just came into our books; returns how many. */
export async function reviveWebhookEvents(
  db: Db,
  { provider, mode, about }: { provider: string; mode: Mode; about: readonly string[] },
): Promise<number> {
  const [row] = await ask(db<{ count: number }[]>`
    SELECT ducat.revive_webhook_events(${provider}, ${mode}, ${about as string[]}) AS count`);
  return row?.count ?? 0;
}

/** Processes an event again. Errors: not_found, invalid_state (its body is no longer kept). */
export async function replayWebhookEvent(db: Db, id: string, audit: Audit): Promise<WebhookEvent> {
  const [row] = await ask(db<{ event: WebhookEvent }[]>`
    SELECT ducat.replay_webhook_event(${id}, ${JSON.stringify(audit)}::text::jsonb) AS event`);
  if (!row) throw new Error("replay_webhook_event returned nothing");
  return row.event;
}

/** Gives an event up by hand. Errors: not_found, invalid_state (processed or ignored). */
export async function discardWebhookEvent(db: Db, id: string, audit: Audit): Promise<WebhookEvent> {
  const [row] = await ask(db<{ event: WebhookEvent }[]>`
    SELECT ducat.discard_webhook_event(${id}, ${JSON.stringify(audit)}::text::jsonb) AS event`);
  if (!row) throw new Error("discard_webhook_event returned nothing");
  return row.event;
}

/** Which events are meant; `from` and `to` (excluded) are when they came. */
export type EventSelection = {
  status: WebhookStatus;
  provider?: string | undefined;
  type?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
};

type Sweep = { limit: number; dryRun: boolean; audit: Audit };

/** Processes again what is selected, oldest first, `limit` (1000 at most); returns the ids. */
export async function replayWebhookEvents(
  db: Db,
  selection: EventSelection,
  { limit, dryRun, audit }: Sweep,
): Promise<string[]> {
  const [row] = await ask(db<{ ids: string[] }[]>`
    SELECT ducat.replay_webhook_events(${JSON.stringify(selection)}::text::jsonb, ${limit},
      ${dryRun}, ${JSON.stringify(audit)}::text::jsonb) AS ids`);
  return row?.ids ?? [];
}

/** Gives up what is selected, as replayWebhookEvents. Errors: invalid_state (they have ended). */
export async function discardWebhookEvents(
  db: Db,
  selection: EventSelection,
  { limit, dryRun, audit }: Sweep,
): Promise<string[]> {
  const [row] = await ask(db<{ ids: string[] }[]>`
    SELECT ducat.discard_webhook_events(${JSON.stringify(selection)}::text::jsonb, ${limit},
      ${dryRun}, ${JSON.stringify(audit)}::text::jsonb) AS ids`);
  return row?.ids ?? [];
}

/** What waits, what is dead, and how long the first has been due. */
export async function readWebhookBacklog(
  db: Db,
): Promise<{ waiting: number; dead: number; oldestSeconds: number }> {
  const [row] = await ask(db<{ waiting: number; dead: number; oldestSeconds: number }[]>`
    SELECT waiting, dead, oldest_seconds AS "oldestSeconds" FROM ducat.read_webhook_backlog()`);
  return row ?? { waiting: 0, dead: 0, oldestSeconds: 0 };
}

/** Empties bodies of settled events that are older than `days`; returns how many. */
export async function clearWebhookBodies(
  db: Db,
  { days, limit }: { days: number; limit: number },
): Promise<number> {
  const [row] = await ask(db<{ count: number }[]>`
    SELECT ducat.clear_webhook_bodies(${days}, ${limit}) AS count`);
  return row?.count ?? 0;
}

/** Whether what an effect key stands for is in our books already. */
export async function isKnownEffect(db: Db, effectKey: string): Promise<boolean> {
  const [row] = await ask(db<{ known: boolean }[]>`
    SELECT ducat.is_known_effect(${effectKey}) AS known`);
  return row?.known ?? false;
}
