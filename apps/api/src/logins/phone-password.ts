import { toDomainError } from "@ducat/db/errors";
import type { LoginStore } from "@ducat/db/logins";
import { login_credentials, logins } from "@ducat/db/schema/logins";
import { and, eq, type SQL } from "drizzle-orm";
import type { Proven } from "./identity.ts";
import type { PasswordHasher } from "./password-hasher.ts";

/** Passwords of logins that are found by something else than an address. Errors: unavailable. */
export type PhonePasswords = {
  /** The login with this number and password. It takes as long when there is none. */
  check(phone: string, password: string): Promise<Proven | undefined>;
  /** Whether this is the login's password; undefined when it has none. */
  checkOwn(loginId: string, password: string | undefined): Promise<boolean | undefined>;
  /** A new password's hash. */
  hash(password: string): Promise<string>;
};

export function createPhonePasswords(options: {
  store: Pick<LoginStore, "db">;
  hasher: PasswordHasher;
}): PhonePasswords {
  const { store, hasher } = options;
  const find = async (which: SQL): Promise<Proven | undefined> => {
    try {
      const [row] = await store.db
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
  };
  return {
    async check(phone, password) {
      const found = await find(eq(logins.phone, phone));
      if (!found) {
        await hasher.hash(password);
        return undefined;
      }
      return (await hasher.verify(found.passwordHash, password)) ? found : undefined;
    },
    async checkOwn(loginId, password) {
      const found = await find(eq(logins.id, loginId));
      if (!found) return undefined;
      return password !== undefined && (await hasher.verify(found.passwordHash, password));
    },
    hash: (password) => hasher.hash(password),
  };
}
