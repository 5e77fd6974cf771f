import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { toBinary } from "./binary.ts";
import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";

/** Not through a transaction pooler: the connections take a role when they begin. */
export type LoginStoreOptions = { url: string; max?: number };
export type LoginStore = ReturnType<typeof connectLoginStore>;

/**
 * The few connections on which better-auth reads and writes logins, credentials and links, as a
 * role that may do nothing else. Their own pool, since drizzle changes the parsers of its client.
 */
export function connectLoginStore({ url, max = 4 }: LoginStoreOptions) {
  const client = postgres(url, {
    max,
    idle_timeout: 300,
    max_lifetime: 30 * 60,
    connect_timeout: 10,
    backoff: (tries) => Math.min(2 ** tries * 0.05, 1),
    onnotice: () => {},
    connection: {
      application_name: "ducat logins",
      role: "ducat_auth",
      timezone: "UTC",
      search_path: "ducat",
      statement_timeout: 60_000,
      lock_timeout: 10_000,
      idle_in_transaction_session_timeout: 60_000,
    },
  });
  return { db: drizzle(client), close: () => client.end({ timeout: 5 }) };
}

export type FoundLogin = { id: string; is_verified: boolean };

/** The login with this address, which is in lower case. */
export async function findLogin(db: Db, email: string): Promise<FoundLogin | undefined> {
  const [row] = await ask(db<{ login: FoundLogin | null }[]>`
    SELECT ducat.find_login(${email}) AS login`);
  return row?.login ?? undefined;
}

/**
 * The id of the account that a login acts on: of the kind that is asked for, else the user's before
 * the vendor's; a login without any gets a user account. Errors: not_found, invalid_state (reason:
 * no_account, it has no vendor account).
 */
export async function openLoginAccount(
  db: Db,
  loginId: string,
  { locale = "en", kind }: { locale?: string; kind?: "user" | "vendor" | undefined } = {},
): Promise<string> {
  const [row] = await ask(db<{ id: string }[]>`
    SELECT ducat.open_login_account(${loginId}, ${locale}, ${kind ?? null}) AS id`);
  if (!row) throw new Error("open_login_account returned nothing");
  return row.id;
}

/** A mail to a login; its data is sealed. */
export type LoginMail = { kind: string; data: { sealed: string } };
export type LoginLink = {
  loginId: string;
  /** The hash of its token. */
  identifier: string;
  lifeSeconds: number;
  /** The hash of a password that the link brings into force. */
  password?: string | undefined;
  mail: LoginMail;
  locale?: string | undefined;
};

/** Keeps a link's hash and queues the mail that brings it. Errors: not_found. */
export async function sendLoginLink(db: Db, link: LoginLink): Promise<void> {
  const { loginId, identifier, lifeSeconds: ttl_s, password, mail, locale = "en" } = link;
  const kept = JSON.stringify({ identifier, ttl_s, password });
  await ask(db`
    SELECT ducat.send_login_link(${loginId}, ${kept}::text::jsonb,
      ${JSON.stringify(mail)}::text::jsonb, ${locale})`);
}

/** Queues a mail to the login's own address, once per key. */
export async function sendLoginNotice(
  db: Db,
  loginId: string,
  mail: LoginMail & { key: string },
): Promise<void> {
  await ask(db`
    SELECT ducat.send_login_notice(${loginId}, ${JSON.stringify(mail)}::text::jsonb)`);
}

export type ProvenLogin = { login_id: string; email: string };

/** Uses up a link that proves an address; undefined when it is no longer or never was one. */
export async function useLoginLink(
  db: Db,
  identifier: string,
  audit: Audit,
): Promise<ProvenLogin | undefined> {
  const [row] = await ask(db<{ proven: ProvenLogin | null }[]>`
    SELECT ducat.use_login_link(${identifier}, ${JSON.stringify(audit)}::text::jsonb) AS proven`);
  return row?.proven ?? undefined;
}

/** Writes down that the login's address is theirs, and returns it. Errors: not_found. */
export async function proveLoginEmail(db: Db, loginId: string, audit: Audit): Promise<string> {
  const [row] = await ask(db<{ email: string }[]>`
    SELECT email FROM ducat.prove_login_email(${loginId}, ${JSON.stringify(audit)}::text::jsonb)`);
  if (!row) throw new Error("prove_login_email returned nothing");
  return row.email;
}

/** Gives a verified login its trial credits, once per identity; whether it was given now. */
export async function grantLoginTrial(
  db: Db,
  loginId: string,
  identities: readonly Buffer[],
): Promise<boolean> {
  const [row] = await ask(db<{ given: boolean }[]>`
    SELECT ducat.grant_login_trial(${loginId}, ${toBinary(db, identities)}) AS given`);
  return row?.given ?? false;
}

/** `banned_at` is as PostgreSQL writes times in JSON. */
export type LoginBan = { id: string; banned_at: string | null };

/** Shuts a login out and ends its sessions, or lets it in again. Errors: not_found. */
export async function banLogin(
  db: Db,
  loginId: string,
  { isBanned, audit }: { isBanned: boolean; audit: Audit },
): Promise<LoginBan> {
  const [row] = await ask(db<{ ban: LoginBan }[]>`
    SELECT ducat.ban_login(${loginId}, ${isBanned}, ${JSON.stringify(audit)}::text::jsonb) AS ban`);
  if (!row) throw new Error("ban_login returned nothing");
  return row.ban;
}
