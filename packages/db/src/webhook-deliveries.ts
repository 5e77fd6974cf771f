import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";
import type { DeliveryTry } from "./schema/webhook-endpoints.ts";
import { findSliceFloor, type SlicedList } from "./slices.ts";

export type DeliveryStatus = "pending" | "sending" | "delivered" | "failed";

/** What is sent, as it is in the stream too. */
export type SentEvent = {
  id: string;
  type: string;
  created_at: string;
  account_id: string;
  data: Record<string, unknown>;
};

/** A delivery that this caller sends until its lease is over. */
export type Claimed = {
  accountId: string;
  id: string;
  token: string;
  endpointId: string;
  kind: "endpoint" | "origin";
  url: string;
  /** What signs, newest first; each holds {secret}. */
  sealedSecrets: { sealed: string }[];
  /** 1 for the first. */
  attempt: number;
  event: SentEvent;
};

type ClaimedRow = {
  account_id: string;
  id: string;
  token: string;
  endpoint_id: string;
  kind: "endpoint" | "origin";
  url: string;
  secrets: { sealed: string }[];
  attempt: number;
  event_id: string;
  event_type: string;
  event_created_at: Date;
  event_account_id: string;
  data: Record<string, unknown>;
};

/** Takes due deliveries, `limit` (100 at most), endpoints in turn; see claim_deliveries. */
export async function claimDeliveries(
  db: Db,
  { limit, leaseSeconds }: { limit: number; leaseSeconds: number },
): Promise<Claimed[]> {
  const rows = await ask(db<ClaimedRow[]>`
    SELECT * FROM ducat.claim_deliveries(${limit}, ${leaseSeconds})`);
  return rows.map((row) => ({
    accountId: row.account_id,
    id: row.id,
    token: row.token,
    endpointId: row.endpoint_id,
    kind: row.kind,
    url: row.url,
    sealedSecrets: row.secrets.map(({ sealed }) => ({ sealed })),
    attempt: row.attempt,
    event: {
      id: row.event_id,
      type: row.event_type,
      created_at: row.event_created_at.toISOString(),
      account_id: row.event_account_id,
      data: row.data,
    },
  }));
}

type Claim = Pick<Claimed, "accountId" | "id" | "token">;

/** How a try ended; `gone`: it answered 410. Of `error` 200 characters are kept. */
export type DeliveryResult = {
  ok: boolean;
  status?: number;
  ms: number;
  error?: string;
  gone?: boolean;
  retryAfterS?: number;
};

/** What became of the delivery; `disabled`: it failed, and its endpoint was disabled. */
export type DeliveryOutcome = "delivered" | "retry" | "failed" | "disabled";

/** Writes down how a try ended; null: the claim was the caller's no more, nothing is written. */
export async function settleDelivery(
  db: Db,
  { accountId, id, token, result }: Claim & { result: DeliveryResult },
): Promise<DeliveryOutcome | null> {
  const { retryAfterS: retry_after_s, ms, ...rest } = result;
  const told = { ...rest, ms: Math.round(ms), retry_after_s };
  const [row] = await ask(db<{ outcome: DeliveryOutcome | null }[]>`
    SELECT ducat.settle_delivery(${accountId}, ${id}, ${token},
      ${JSON.stringify(told)}::text::jsonb) AS outcome`);
  return row?.outcome ?? null;
}

/** Gives a claim back untried; false: it was the caller's no more. */
export async function releaseDelivery(db: Db, { accountId, id, token }: Claim): Promise<boolean> {
  const [row] = await ask(db<{ ours: boolean }[]>`
    SELECT ducat.release_delivery(${accountId}, ${id}, ${token}) AS ours`);
  return row?.ours ?? false;
}

/** A delivery as its owner sees it. Times are as PostgreSQL writes them in JSON. */
export type Delivery = {
  id: string;
  endpoint_id: string;
  event_id: string;
  event_type: string;
  /** Whose event it is. */
  account_id: string;
  url: string;
  status: DeliveryStatus;
  attempts: number;
  next_try_at: string | null;
  tries: DeliveryTry[];
  created_at: string;
  ended_at: string | null;
};

export type DeliveryFilter = {
  status?: DeliveryStatus | undefined;
  type?: string | undefined;
  /** When it was planned: included, … */
  from?: Date | undefined;
  /** … and excluded. */
  to?: Date | undefined;
};

/** Deliveries of an owner's endpoint, newest first, `limit` (101 at most). */
export async function listDeliveries(
  db: Db,
  accountId: string,
  asked: DeliveryFilter & { endpointId: string; before?: string | undefined; limit: number },
): Promise<Delivery[]> {
  const { endpointId, limit, before = null, status = null, type = null } = asked;
  const { from = null, to = null } = asked;
  const rows = await ask(db<{ delivery: Delivery }[]>`
    SELECT delivery FROM ducat.list_webhook_deliveries(${accountId}, ${endpointId}, ${limit},
      ${before}, ${status}, ${type}, ${from}, ${to}) AS delivery`);
  return rows.map(({ delivery }) => delivery);
}

/** A delivery of an owner's endpoint with what is sent; null event: it is no longer kept. */
export async function findDelivery(
  db: Db,
  accountId: string,
  { endpointId, id }: { endpointId: string; id: string },
): Promise<(Delivery & { event: SentEvent | null }) | undefined> {
  const [row] = await ask(db<{ found: (Delivery & { event: SentEvent | null }) | null }[]>`
    SELECT ducat.find_webhook_delivery(${accountId}, ${endpointId}, ${id}) AS found`);
  return row?.found ?? undefined;
}

/** A delivery of anybody's; owner_id null: the deployment's own endpoint. */
export type AnyDelivery = Delivery & { owner_id: string | null; kind: "endpoint" | "origin" };

/** Deliveries of all accounts, for pages and exports; `accountId` is whose events. For admins. */
export function searchDeliveries(
  db: Db,
  filter: DeliveryFilter & { endpointId?: string | undefined; accountId?: string | undefined },
): SlicedList<AnyDelivery> {
  const { status = null, type = null, from = null, to = null } = filter;
  const { endpointId = null, accountId = null } = filter;
  return {
    async read({ before = null, floor = null, limit }) {
      const rows = await ask(db<{ delivery: AnyDelivery }[]>`
        SELECT delivery FROM ducat.search_webhook_deliveries(${limit}, ${before}, ${floor},
          ${status}, ${type}, ${endpointId}, ${accountId}, ${from}, ${to}) AS delivery`);
      return rows.map(({ delivery }) => delivery);
    },
    positionOf: ({ id }) => id,
    findFloor: (before, rows) => findSliceFloor(db, "webhook_deliveries", { before, rows }),
  };
}

type Asked = { endpointId: string; audit: Audit };

/**
 * Sends a delivery again. Errors: not_found, invalid_state (reason: endpoint_disabled,
 * event_removed).
 */
export async function replayDelivery(
  db: Db,
  accountId: string,
  { endpointId, id, audit }: Asked & { id: string },
): Promise<Delivery> {
  const [row] = await ask(db<{ delivery: Delivery }[]>`
    SELECT ducat.replay_webhook_delivery(${accountId}, ${endpointId}, ${id},
      ${JSON.stringify(audit)}::text::jsonb) AS delivery`);
  if (!row) throw new Error("replay_webhook_delivery returned nothing");
  return row.delivery;
}

export type ReplayWish = {
  what: "failed" | "delivered" | "missed";
  type?: string | undefined;
  /** When it happened: included, … */
  from?: Date | undefined;
  /** … and excluded. */
  to?: Date | undefined;
  /** Goes on after this event, the last that a call before returned. */
  after?: string | undefined;
  limit: number;
  dryRun: boolean;
};

/**
 * Sends again what a wish finds, the oldest first, 1,000 at most; returns the events' ids.
 * Errors: not_found, invalid_state (reason: endpoint_disabled, or deployment: what it missed of
 * all accounts nobody looks for).
 */
export async function replayDeliveries(
  db: Db,
  accountId: string,
  { endpointId, audit, ...wish }: Asked & ReplayWish,
): Promise<string[]> {
  const { limit, dryRun, ...filter } = wish;
  const [row] = await ask(db<{ ids: string[] }[]>`
    SELECT ducat.replay_webhook_deliveries(${accountId}, ${endpointId},
      ${JSON.stringify(filter)}::text::jsonb, ${limit}, ${dryRun},
      ${JSON.stringify(audit)}::text::jsonb) AS ids`);
  return row?.ids ?? [];
}

/** What waits (counted up to 100,000), how many endpoints fail or were given up. */
export type DeliveryBacklog = {
  waiting: number;
  failing: number;
  disabled: number;
  /** For how long something has been due at an endpoint that doesn't fail. */
  oldestSeconds: number;
};

export async function readDeliveryBacklog(db: Db): Promise<DeliveryBacklog> {
  const [row] = await ask(db<DeliveryBacklog[]>`
    SELECT waiting, failing, disabled, oldest_seconds AS "oldestSeconds"
    FROM ducat.read_delivery_backlog()`);
  return row ?? { waiting: 0, failing: 0, disabled: 0, oldestSeconds: 0 };
}
