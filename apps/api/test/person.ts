import { randomUUID } from "node:crypto";
import { createSeal } from "@ducat/messages/seal";
import type { Answer, Call, Stage } from "./stage.ts";

export const password = "correct horse battery";
const { open } = createSeal(["s".repeat(32)]);

/** An address that nobody else has. */
export const makeEmail = () => `p-${randomUUID()}@home.example`;

/** A request to /v1/auth by nobody in particular. */
export const askAuth = (stage: Stage, path: string, body: unknown, how: Call = {}) =>
  stage.call(`/v1/auth/${path}`, { method: "POST", body, bearer: null, ...how });

export type Mail = { kind: string; data: Record<string, unknown> };

/** The mails that wait for an address, the latest first. */
export async function readMails(stage: Stage, email: string): Promise<Mail[]> {
  const rows = await stage.db.admin<Mail[]>`
    SELECT kind, data FROM ducat.messages
    WHERE recipient = ${email} AND status = 'pending' ORDER BY created_at DESC, id DESC`;
  return rows.map(({ kind, data }) => ({ kind, data: open(data) }));
}

/** The token of the latest link that was mailed to an address. */
export async function readToken(stage: Stage, email: string, kind = "verify_email") {
  const mail = (await readMails(stage, email)).find((one) => one.kind === kind);
  if (!mail) throw new Error(`no ${kind} waits for the address`);
  return String(mail.data.token);
}

/** Signs up and proves the address. */
export async function makePerson(stage: Stage): Promise<{ email: string; loginId: string }> {
  const email = makeEmail();
  await askAuth(stage, "register", { email, password });
  await askAuth(stage, "verify-email", { token: await readToken(stage, email) });
  const [login] = await stage.db.admin`SELECT id FROM ducat.logins WHERE email = ${email}`;
  return { email, loginId: login?.id };
}

export const logIn = async (stage: Stage, email: string): Promise<Answer["body"]> =>
  (await askAuth(stage, "login", { email, password })).body;
