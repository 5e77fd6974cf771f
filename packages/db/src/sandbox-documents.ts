import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

export type SandboxRow = { document: unknown; version: number };

/** A document of the sandbox's books; undefined when there is none. */
export async function findSandboxDocument(db: Db, id: string): Promise<SandboxRow | undefined> {
  const [row] = await ask(db<SandboxRow[]>`
    SELECT document, version FROM ducat.sandbox_documents WHERE id = ${id}`);
  return row;
}

/** Writes one if its version is still the given one (0: there is none yet); else false. */
export async function putSandboxDocument(
  db: Db,
  row: {
    id: string;
    document: object;
    version: number;
    dueAt: Date | undefined;
    changedAt: Date;
  },
): Promise<boolean> {
  const [result] = await ask(db<{ done: boolean }[]>`
    SELECT ducat.put_sandbox_document(${row.id}, ${JSON.stringify(row.document)}::text::jsonb,
      ${row.version}, ${row.dueAt ?? null}, ${row.changedAt}) AS done`);
  return result?.done ?? false;
}

/** The time of an order's account, in milliseconds; undefined for an unknown order. */
export async function readOrderTime(db: Db, reference: string): Promise<number | undefined> {
  const [row] = await ask(db<{ ms: number | null }[]>`
    SELECT ducat.read_order_time(${reference})::float8 AS ms`);
  return row?.ms ?? undefined;
}

/**
 * What the pages of an account's newest subscription orders at a provider are called there, 20 at
 * most.
 */
export async function listSubscriptionPages(
  db: Db,
  accountId: string,
  provider: string,
): Promise<string[]> {
  const rows = await ask(db<{ ref: string }[]>`
    SELECT ref FROM ducat.list_subscription_pages(${accountId}, ${provider}) AS ref`);
  return rows.map(({ ref }) => ref);
}

/** Ids of those that are due up to a moment, the longest overdue first. */
export async function listDueSandboxDocuments(db: Db, now: Date, limit: number): Promise<string[]> {
  const rows = await ask(db<{ id: string }[]>`
    SELECT id FROM ducat.sandbox_documents WHERE due_at <= ${now} ORDER BY due_at LIMIT ${limit}`);
  return rows.map(({ id }) => id);
}

/** Ids of those written since a moment, by id: whoever reads may change them on the way. */
export async function listChangedSandboxDocuments(
  db: Db,
  page: { since: Date; limit: number; after: string | undefined },
): Promise<string[]> {
  const rows = await ask(db<{ id: string }[]>`
    SELECT id FROM ducat.sandbox_documents
    WHERE changed_at >= ${page.since} AND id > ${page.after ?? ""}
    ORDER BY id LIMIT ${page.limit}`);
  return rows.map(({ id }) => id);
}
