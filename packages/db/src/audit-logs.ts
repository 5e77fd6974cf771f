import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import type { SlicedList } from "./slices.ts";

/** A line of the audit log. */
export type AuditLog = {
  id: string;
  account_id: string | null;
  actor: string;
  action: string;
  resource: string | null;
  resource_id: string | null;
  metadata: Record<string, unknown>;
  request_id: string | null;
  ip: string | null;
  created_at: Date;
};

/** Which lines are meant; `from` is included, `to` is not. */
export type AuditSearch = {
  actor?: string | undefined;
  action?: string | undefined;
  resource?: string | undefined;
  resourceId?: string | undefined;
  accountId?: string | undefined;
  requestId?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
};

/** Who did what, for pages and exports; every filter has an index. For admins. */
export function searchAuditLogs(db: Db, search: AuditSearch): SlicedList<AuditLog> {
  const { actor = null, action = null, resource = null, resourceId = null } = search;
  const { accountId = null, requestId = null, from = null, to = null } = search;
  return {
    read: ({ before = null, limit }) =>
      ask(db<AuditLog[]>`
        SELECT id, account_id, actor, action, resource, resource_id, metadata, request_id, ip,
          created_at
        FROM ducat.search_audit_logs(${limit}, ${actor}, ${action}, ${resource}, ${resourceId},
          ${accountId}, ${requestId}, ${from}, ${to}, ${before})`),
    positionOf: ({ id }) => id,
  };
}
