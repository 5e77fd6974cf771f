import type { Account } from "./accounts.ts";
import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";
import { findSliceFloor, type SlicedList } from "./slices.ts";
import { withAccount } from "./with-account.ts";

/** An account's row, as support sees it. */
export type AccountRow = Account & {
  bio: string | null;
  last_login_at: Date | null;
  erased_at: Date | null;
};

/** An account in a list: with the plan that it has now, what freezes it, and its credits. */
export type ListedAccount = AccountRow & {
  plan: string | null;
  frozen: string[];
  available: number;
  held: number;
  debt: number;
};

/** Which accounts are meant; `from` (included) and `to` are when they were made. */
export type AccountSearch = {
  /** An id, external id, e-mail address, phone number, or how a name begins. */
  query?: string | undefined;
  kind?: "user" | "vendor" | undefined;
  /** A plan's key. */
  plan?: string | undefined;
  isFrozen?: boolean | undefined;
  isActive?: boolean | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
};

/** Accounts of anybody, for pages and exports. For admins. */
export async function searchAccounts(
  db: Db,
  search: AccountSearch,
): Promise<SlicedList<ListedAccount>> {
  const { query = null, kind = null, plan = null, from = null, to = null } = search;
  const { isFrozen = null, isActive = null } = search;
  const isCommon = query !== null && (await isCommonName(db, query));
  return {
    read: ({ before = null, floor = null, limit }) =>
      ask(db<ListedAccount[]>`
        SELECT id, kind, external_id, name, email, phone, locale, is_active, created_at, bio,
          last_login_at, erased_at, plan, frozen, available, held, debt
        FROM ducat.search_accounts(${query}, ${kind}, ${before}, ${limit}, ${floor}, ${isCommon},
          ${plan}, ${isFrozen}, ${isActive}, ${from}, ${to})`),
    positionOf: ({ id }) => id,
    // What is asked for by a name that few have, or by an address, is found by an index.
    ...((query === null || isCommon) && {
      findFloor: (before, rows) => findSliceFloor(db, "accounts", { before, rows }),
    }),
  };
}

/** Whether so many names begin like this that looking them all up would take too long. */
async function isCommonName(db: Db, query: string): Promise<boolean> {
  const [row] = await ask(db<{ is_common: boolean }[]>`
    SELECT ducat.is_common_name(${query}) AS is_common`);
  return row?.is_common ?? false;
}

/** An account's row with the reasons for which it is frozen; undefined when there is none. */
export async function findAccountRow(
  db: Db,
  accountId: string,
): Promise<(AccountRow & { frozen: string[] }) | undefined> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<(AccountRow & { frozen: string[] })[]>`
      SELECT a.id, a.kind, a.external_id, a.name, a.email, a.phone, a.locale, a.is_active,
        a.created_at, a.bio, a.last_login_at, a.erased_at, c.frozen
      FROM ducat.accounts a JOIN ducat.credit_accounts c ON c.account_id = a.id
      WHERE a.id = ${accountId}`,
  );
  return row;
}

/**
 * Lets an account act, or refuses it everywhere, in every process, from now on.
 * Errors: not_found, invalid_state (reason: erased).
 */
export async function setAccountActive(
  db: Db,
  accountId: string,
  { isActive, audit }: { isActive: boolean; audit: Audit },
): Promise<void> {
  await ask(db`
    SELECT FROM ducat.set_account_active(${accountId}, ${isActive},
      ${JSON.stringify(audit)}::text::jsonb)`);
}

export type Role = "user" | "support" | "admin";

/** The public part of a login. Times are as PostgreSQL writes them in JSON. */
export type AccountLogin = {
  id: string;
  email: string | null;
  email_verified: boolean;
  phone: string | null;
  role: Role;
  verified_at: string | null;
  banned_at: string | null;
  created_at: string;
};

/** The logins that open an account: one at most, as it is today. */
export async function listAccountLogins(db: Db, accountId: string): Promise<AccountLogin[]> {
  const rows = await ask(db<{ login: AccountLogin }[]>`
    SELECT ducat.list_account_logins(${accountId}) AS login`);
  return rows.map(({ login }) => login);
}

/** Says what a login may do beside what is its own. Errors: not_found. */
export async function setLoginRole(
  db: Db,
  loginId: string,
  { role, audit }: { role: Role; audit: Audit },
): Promise<{ id: string; role: Role }> {
  const [row] = await ask(db<{ done: { id: string; role: Role } }[]>`
    SELECT ducat.set_login_role(${loginId}, ${role}, ${JSON.stringify(audit)}::text::jsonb)
      AS done`);
  if (!row) throw new Error("set_login_role returned nothing");
  return row.done;
}
