import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import { findSliceFloor, type SlicedList } from "./slices.ts";
import type { WebhookEvent, WebhookStatus } from "./webhook-events.ts";

/** Which events are meant; `from` (included) and `to` are when they came. */
export type WebhookFilter = {
  status?: WebhookStatus | undefined;
  type?: string | undefined;
  provider?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
};

/** What providers sent, for pages and exports. For admins. */
export function listWebhookEvents(db: Db, filter: WebhookFilter): SlicedList<WebhookEvent> {
  const { status = null, type = null, provider = null, from = null, to = null } = filter;
  return {
    async read({ before = null, floor = null, limit }) {
      const rows = await ask(db<{ event: WebhookEvent }[]>`
        SELECT event FROM ducat.list_webhook_events(${status}, ${type}, ${provider}, ${before},
          ${limit}, ${floor}, ${from}, ${to}) AS event`);
      return rows.map(({ event }) => event);
    },
    positionOf: ({ id }) => id,
    // A status has an index of its own.
    ...(status === null && {
      findFloor: (before, rows) => findSliceFloor(db, "webhook_events", { before, rows }),
    }),
  };
}
