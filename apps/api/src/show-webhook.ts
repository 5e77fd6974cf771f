import type { AnyDelivery, Delivery, SentEvent } from "@ducat/db/webhook-deliveries";
import type { Endpoint } from "@ducat/db/webhook-endpoints";
import type { WebhookSecrets } from "@ducat/messages/webhook-secrets";
import type {
  AdminDelivery,
  WebhookDelivery,
  WebhookDeliveryDetail,
  WebhookEndpoint,
  WebhookSecret,
} from "@ducat/types/webhook-endpoints";
import { toTime, toTimeOrNull } from "./show-generation.ts";

/** An endpoint as its owner sees it: all but its secrets. */
export const showEndpoint = (row: Endpoint): WebhookEndpoint => ({
  ...row,
  disabled_at: toTimeOrNull(row.disabled_at),
  failing_since: toTimeOrNull(row.failing_since),
  retry_at: toTimeOrNull(row.retry_at),
  last_success_at: toTimeOrNull(row.last_success_at),
  created_at: toTime(row.created_at),
  updated_at: toTime(row.updated_at),
});

type Stored = { sealed: string; expires_at: string | null };

/**
 * What signs, in clear; `stored` is what is kept, the newest first. Former ones whose key is gone
 * sign no more.
 */
export function showSecret({ open, canOpen }: WebhookSecrets, stored: Stored[]): WebhookSecret {
  const [newest, ...former] = stored;
  if (!newest) throw new Error("Nothing signs here.");
  return {
    secret: open(newest),
    former: former
      .filter(({ sealed }) => canOpen({ sealed }))
      .map(({ sealed, expires_at }) => ({
        ...{ secret: open({ sealed }), expires_at: toTime(expires_at ?? "") },
      })),
  };
}

export function showDelivery(row: Delivery): WebhookDelivery {
  const { id, endpoint_id, event_id, event_type, account_id, url, status, attempts } = row;
  return {
    ...{ id, endpoint_id, event_id, event_type, account_id, url, status, attempts },
    next_try_at: toTimeOrNull(row.next_try_at),
    tries: row.tries.map(({ at, status = null, ms, error = null }) => ({
      ...{ at: toTime(at), status, ms, error },
    })),
    created_at: toTime(row.created_at),
    ended_at: toTimeOrNull(row.ended_at),
  };
}

/** With the event as it is sent. */
export const showDeliveryDetail = ({
  event,
  ...row
}: Delivery & { event: SentEvent | null }): WebhookDeliveryDetail => ({
  ...showDelivery(row),
  event: event && { ...event, created_at: toTime(event.created_at) },
});

export const showAnyDelivery = ({ owner_id, kind, ...row }: AnyDelivery): AdminDelivery => ({
  ...showDelivery(row),
  owner_id,
  kind,
});
