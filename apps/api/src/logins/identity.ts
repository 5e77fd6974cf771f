import { AsyncLocalStorage } from "node:async_hooks";
import { toDomainError } from "@ducat/db/errors";
import type { LoginStore } from "@ducat/db/logins";
import * as schema from "@ducat/db/schema/logins";
import { DomainError } from "@ducat/types/errors";
import { drizzleAdapter } from "better-auth/adapters/drizzle";
import { isAPIError } from "better-auth/api";
import { betterAuth } from "better-auth/minimal";
import type { Logger } from "pino";
import type { PasswordHasher } from "./password-hasher.ts";

/** A login whose password was given, with the hash that it was checked against or made. */
export type Proven = { loginId: string; passwordHash: string };

/** Passwords and who they belong to. Errors of each: unavailable. */
export type Identity = {
  /** Makes a login, or finds the one with this address and leaves it as it is. */
  signUp(email: string, password: string): Promise<Proven & { isNew: boolean }>;
  /** The login with this address and password. It takes as long when there is none. */
  checkPassword(email: string, password: string): Promise<Proven | undefined>;
  /** The token for a new password of the login with this address, kept as a hash. */
  requestReset(email: string): Promise<{ loginId: string; token: string } | undefined>;
  /** The login whose password this token changed; undefined when it is not or no longer one. */
  resetPassword(token: string, password: string): Promise<string | undefined>;
};

export type IdentityOptions = {
  store: Pick<LoginStore, "db">;
  hasher: PasswordHasher;
  /** Signs cookies that nobody gets. */
  secret: string;
  publicUrl: string;
  resetSeconds: number;
  /** What better-auth has to say; without it nobody hears. */
  log?: Pick<Logger, "debug"> | undefined;
};

/** What a call of better-auth did on its way; its answers tell everybody the same. */
type Trace = { passwordHash?: string; loginId?: string; token?: string };

/**
 * better-auth as a library: it has no routes here, sends nothing and begins no sessions that work
 * anywhere. Passwords are argon2id, tokens are stored as hashes.
 */
export function createIdentity(options: IdentityOptions): Identity {
  const traces = new AsyncLocalStorage<Trace>();
  const { api } = createAuth(options, () => traces.getStore());
  const follow = async <T>(run: () => Promise<T>) => {
    const trace: Trace = {};
    return { trace, answer: await traces.run(trace, () => tell(run)) };
  };
  const signUp = (email: string, password: string) =>
    follow(() => api.signUpEmail({ body: { name: "", email, password } }));
  return {
    async signUp(email, password) {
      const first = await signUp(email, password);
      // Somebody else signed up with it at the same moment: now it is there.
      const { trace, answer } = first.answer ? first : await signUp(email, password);
      if (!answer) throw new DomainError("unavailable");
      const { loginId = answer.user.id, passwordHash = "" } = trace;
      return { loginId, passwordHash, isNew: trace.loginId === undefined };
    },
    async checkPassword(email, password) {
      const body = { email, password };
      const { trace, answer } = await follow(() => api.signInEmail({ body }));
      const { passwordHash } = trace;
      if (!answer || passwordHash === undefined) return undefined;
      return { loginId: answer.user.id, passwordHash };
    },
    async requestReset(email) {
      const { trace } = await follow(() => api.requestPasswordReset({ body: { email } }));
      const { loginId, token } = trace;
      return loginId !== undefined && token !== undefined ? { loginId, token } : undefined;
    },
    async resetPassword(token, newPassword) {
      const body = { token, newPassword };
      const { trace, answer } = await follow(() => api.resetPassword({ body }));
      return answer && trace.loginId;
    },
  };
}

/** Undefined when better-auth refuses; a database that is away is told as that. */
async function tell<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (isAPIError(error) && error.statusCode < 500) return undefined;
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    throw toDomainError(cause);
  }
}

/** Sessions are ours: what better-auth would keep of its own goes nowhere. */
const nowhere = {
  get: () => null,
  getAndDelete: () => null,
  increment: () => 1,
  set: () => undefined,
  delete: () => undefined,
};

/** Its sentences may name people. What else it gives with them is left out. */
const hideAddresses = (message: string) => message.replace(/[^\s"'<>():]+@[^\s"'<>()]+/g, "…");

const times = { createdAt: "created_at", updatedAt: "updated_at" };

function createAuth(options: IdentityOptions, trace: () => Trace | undefined) {
  const { store, hasher, secret, publicUrl, resetSeconds, log } = options;
  const note = (seen: Trace) => {
    Object.assign(trace() ?? {}, seen);
  };
  return betterAuth({
    baseURL: publicUrl,
    secret,
    database: drizzleAdapter(store.db, { provider: "pg", schema, transaction: true }),
    secondaryStorage: nowhere,
    user: { modelName: "logins", fields: { emailVerified: "email_verified", ...times } },
    account: {
      modelName: "login_credentials",
      fields: {
        userId: "login_id",
        providerId: "provider_id",
        accountId: "provider_account_id",
        accessToken: "access_token",
        refreshToken: "refresh_token",
        idToken: "id_token",
        accessTokenExpiresAt: "access_token_expires_at",
        refreshTokenExpiresAt: "refresh_token_expires_at",
        ...times,
      },
    },
    verification: {
      modelName: "verifications",
      fields: { expiresAt: "expires_at", ...times },
      storeIdentifier: "hashed",
      storeInDatabase: true,
    },
    emailAndPassword: {
      enabled: true,
      // Whether somebody is verified is ours to judge; this one also keeps sign-up from telling.
      autoSignIn: false,
      minPasswordLength: 10,
      maxPasswordLength: 128,
      resetPasswordTokenExpiresIn: resetSeconds,
      password: {
        async hash(password) {
          const passwordHash = await hasher.hash(password);
          note({ passwordHash });
          return passwordHash;
        },
        async verify({ hash, password }) {
          const isRight = await hasher.verify(hash, password);
          if (isRight) note({ passwordHash: hash });
          return isRight;
        },
      },
      onExistingUserSignUp: async ({ user }) => note({ loginId: user.id }),
      sendResetPassword: async ({ user, token }) => note({ loginId: user.id, token }),
      onPasswordReset: async ({ user }) => note({ loginId: user.id }),
    },
    advanced: { database: { generateId: "uuid" } },
    rateLimit: { enabled: false },
    logger: {
      level: "info",
      // Wrong passwords are errors to it: whoever guesses must not fill the log.
      log: (level, message) => log?.debug({ source: "better-auth", level }, hideAddresses(message)),
    },
    telemetry: { enabled: false },
  });
}
