import { and, eq } from "drizzle-orm";
import { toDomainError } from "./errors.ts";
import type { LoginStore } from "./logins.ts";
import { login_credentials, logins } from "./schema/logins.ts";

export type KeptPassword = { loginId: string; passwordHash: string };

/**
 * The password hash of a login, by its number or id, read as the role that may; undefined when
 * there is no such login, or none of its own. Errors: unavailable.
 */
export async function findPassword(
  { db }: Pick<LoginStore, "db">,
  by: { phone: string } | { loginId: string },
): Promise<KeptPassword | undefined> {
  const which = "phone" in by ? eq(logins.phone, by.phone) : eq(logins.id, by.loginId);
  try {
    const [row] = await db
      .select({ loginId: logins.id, passwordHash: login_credentials.password })
      .from(logins)
      .innerJoin(login_credentials, eq(login_credentials.login_id, logins.id))
      .where(and(which, eq(login_credentials.provider_id, "credential")))
      .limit(1);
    const { loginId, passwordHash } = row ?? {};
    return loginId && passwordHash ? { loginId, passwordHash } : undefined;
  } catch (error) {
    // Drizzle wraps what the driver says.
    throw toDomainError(error instanceof Error ? (error.cause ?? error) : error);
  }
}
