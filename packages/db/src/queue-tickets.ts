import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";

/** Whom an audit line names, and in which session where it is a person. */
export type Operator = { actor: string; sessionId: string | null };

/** Whether they may administer now. */
export async function mayAdminister(db: Db, { actor, sessionId }: Operator): Promise<boolean> {
  const [row] = await ask(db<{ may: boolean }[]>`
    SELECT ducat.may_administer(${actor}, ${sessionId}) AS may`);
  return row?.may ?? false;
}

/** Keeps a ticket by its hash; false when who asks may not administer. */
export async function makeQueueTicket(
  db: Db,
  ticket: { hash: Buffer; sessionId: string | null; seconds: number; audit: Audit },
): Promise<boolean> {
  const { hash, sessionId, seconds, audit } = ticket;
  const [row] = await ask(db<{ made: boolean }[]>`
    SELECT ducat.make_queue_ticket(${hash}, ${sessionId}, ${seconds},
      ${JSON.stringify(audit)}::text::jsonb) AS made`);
  return row?.made ?? false;
}

/** Takes a ticket, once; undefined when there is none. */
export async function takeQueueTicket(db: Db, hash: Buffer): Promise<Operator | undefined> {
  const [row] = await ask(db<{ ticket: { actor: string; session_id: string | null } | null }[]>`
    SELECT ducat.take_queue_ticket(${hash}) AS ticket`);
  const ticket = row?.ticket;
  return ticket ? { actor: ticket.actor, sessionId: ticket.session_id } : undefined;
}

/** Leaves the audit line of what is about to be done with a queue. */
export async function noteQueueAct(
  db: Db,
  { what, audit }: { what: string; audit: Audit },
): Promise<void> {
  await ask(db`
    SELECT ducat.note_queue_act(${what}, ${JSON.stringify(audit)}::text::jsonb)`);
}
