import type { Db } from "../../packages/db/src/connect.ts";
import type { Reader } from "./check.ts";

/**
 * The role to look as: the owner, who sees all, else a worker, who sees no log-ins. Throws where
 * the login may be neither, or the database is none of Ducat's.
 */
export async function findRole(db: Db): Promise<Reader["role"]> {
  const found = await db<{ role: Reader["role"] }[]>`
    SELECT rolname::text AS role FROM pg_roles
    WHERE rolname IN ('ducat_owner', 'ducat_worker') AND pg_has_role(session_user, oid, 'MEMBER')
      AND to_regclass('ducat.credit_accounts') IS NOT NULL
    ORDER BY rolname`;
  const [first] = found;
  if (first) return first.role;
  throw new Error(
    "The login of DATABASE_URL sees nothing here: it must be a member of ducat_owner (as the one " +
      "that migrates) or ducat_worker, in a database that has been migrated.",
  );
}
