import { refuseAt } from "./problem.ts";

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const shapes = {
  /** The last generation of a page. */
  generation: uuid,
  webhook_event: uuid,
  /** The last delivery of a page. */
  delivery: uuid,
  audit_log: uuid,
  /** Where the next page of everybody's generations begins: microseconds (until 2255) and an id. */
  admin_generation: /^(?:\d{1,15}|[1-8]\d{15})\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  promo_code: uuid,
  reconciliation: uuid,
  anomaly: uuid,
  /** The last payment of a page. */
  payment: uuid,
  account: uuid,
  image: uuid,
  album: uuid,
  usage: uuid,
  message: uuid,
  /** A position within a generation. */
  item: /^(?:0|[1-9]\d{0,4})$/,
  row_error: /^(?:0|[1-9]\d{0,4})$/,
  /** The last version of a style or of the catalog. */
  version: /^[1-9]\d{0,8}$/,
  /** The last ledger line of a page. */
  transaction: /^[1-9]\d{0,14}$/,
};
export type Kind = keyof typeof shapes;

/** Where the next page begins. Opaque to callers, so that it may change. */
export function makeCursor(kind: Kind, last: string | number): string {
  return Buffer.from(`${kind}:${last}`).toString("base64url");
}

/** What makeCursor was given; undefined without a cursor. Errors: validation_failed. */
export function readCursor(kind: Kind, cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const [found, ...rest] = Buffer.from(cursor, "base64url").toString("latin1").split(":");
  const last = rest.join(":");
  if (found !== kind || !shapes[kind].test(last) || makeCursor(kind, last) !== cursor) {
    throw refuseAt("#/query/cursor", "This is not a cursor of this list.");
  }
  return last;
}

/** The entries of a page that was read with one entry more than fit, and where the next begins. */
export function cutPage<T>(
  found: T[],
  limit: number,
  toCursor: (last: T) => string,
): { entries: T[]; next_cursor: string | null } {
  const entries = found.slice(0, limit);
  const last = entries.at(-1);
  const next_cursor = found.length > limit && last !== undefined ? toCursor(last) : null;
  return { entries, next_cursor };
}
