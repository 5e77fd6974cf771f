import { findPassword } from "@ducat/db/login-passwords";
import type { LoginStore } from "@ducat/db/logins";
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
  return {
    async check(phone, password) {
      const found = await findPassword(store, { phone });
      if (!found) {
        await hasher.hash(password);
        return undefined;
      }
      return (await hasher.verify(found.passwordHash, password)) ? found : undefined;
    },
    async checkOwn(loginId, password) {
      const found = await findPassword(store, { loginId });
      if (!found) return undefined;
      return password !== undefined && (await hasher.verify(found.passwordHash, password));
    },
    hash: (password) => hasher.hash(password),
  };
}
