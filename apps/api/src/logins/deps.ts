import type { Cache } from "@ducat/cache/cache";
import type { Db } from "@ducat/db/connect";
import type { LoginStore } from "@ducat/db/logins";
import type { Logger } from "pino";
import { type CodeSecrets, createCodeSecrets } from "./code-secrets.ts";
import { createIdentity, type Identity } from "./identity.ts";
import { createLoginSecrets, type LoginSecrets } from "./login-secrets.ts";
import { createPasswordHasher, type HashCost, usualCost } from "./password-hasher.ts";
import { createPhonePasswords, type PhonePasswords } from "./phone-password.ts";
import { createSessionTokens, type SessionTokens } from "./session-tokens.ts";

/** What logging in is made of. */
export type LoginDeps = {
  db: Db;
  cache: Pick<Cache, "forget">;
  identity: Identity;
  tokens: SessionTokens;
  secrets: LoginSecrets;
  codes: CodeSecrets;
  phonePasswords: PhonePasswords;
  sms: SmsRules;
  /** What authenticator apps call us. */
  issuer: string;
  /** Milliseconds, for codes of authenticators alone. */
  now: () => number;
  /** Answers that must not tell who exists take at least this long. */
  floorMs: number;
};

export type SmsRules = {
  /** ISO 3166 codes of the countries that codes are sent to; empty: all. */
  countries: readonly string[];
  /** How many codes are sent in a day, to all numbers together. */
  dailyLimit: number;
};

export type LoginOptions = {
  db: Db;
  store: Pick<LoginStore, "db">;
  cache: Pick<Cache, "forget">;
  secretKeys: readonly string[];
  mode: "test" | "live";
  publicUrl: string;
  hashCost?: HashCost;
  floorMs?: number;
  sms?: SmsRules;
  now?: () => number;
  log?: Pick<Logger, "debug">;
};

const usualSms: SmsRules = { countries: [], dailyLimit: 1_000 };

/** How long a link works: longer to prove an address than to change a password. */
export const linkSeconds = { verify: 24 * 60 * 60, reset: 60 * 60 } as const;

export function createLoginDeps(options: LoginOptions): LoginDeps {
  const { db, store, cache, secretKeys, mode, publicUrl, floorMs = 300 } = options;
  const secrets = createLoginSecrets(secretKeys);
  const hasher = createPasswordHasher(options.hashCost ?? usualCost);
  const identity = createIdentity({
    store,
    publicUrl,
    secret: secrets.betterAuth,
    hasher,
    resetSeconds: linkSeconds.reset,
    log: options.log,
  });
  const tokens = createSessionTokens({ secrets: secretKeys, mode });
  return {
    ...{ db, cache, identity, tokens, secrets, floorMs },
    codes: createCodeSecrets(secretKeys),
    phonePasswords: createPhonePasswords({ store, hasher }),
    sms: options.sms ?? usualSms,
    issuer: new URL(publicUrl).hostname,
    now: options.now ?? Date.now,
  };
}
