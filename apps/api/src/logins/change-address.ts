import type { Audit } from "@ducat/db/credits";
import {
  type Asker,
  type Channel,
  startLoginChange,
  useLoginChange,
} from "@ducat/db/login-changes";
import { grantLoginTrial } from "@ducat/db/logins";
import type { Limit } from "@ducat/db/rate-limits";
import { DomainError } from "@ducat/types/errors";
import { refuseAt } from "../problem.ts";
import { makeCode } from "./code-secrets.ts";
import type { LoginDeps } from "./deps.ts";
import { nameMailbox, namePhone } from "./login-secrets.ts";
import { reauthenticate } from "./reauthenticate.ts";
import { listSmsLimits, requirePhone } from "./send-code.ts";
import { listLoginLimits, takeLoginLimits } from "./take-limits.ts";

/** An address or a number that a login is to have. */
export type Target = { channel: Channel; text: string };

type Start = Target & {
  asker: Asker;
  password?: string | undefined;
  totpCode?: string | undefined;
  locale: string;
  ip?: string | undefined;
};

/**
 * Sends a code to the address that somebody wants to have instead of theirs, or beside it; nothing
 * is changed by that. Whether anybody has it is not looked at, so that nobody learns it. Errors:
 * validation_failed, forbidden (reason: reauthenticate), rate_limited with `retry_after_s`.
 */
export async function startChange(deps: LoginDeps, start: Start): Promise<void> {
  const { asker, channel, password, totpCode, locale, ip } = start;
  const address = readAddress(deps, start);
  await reauthenticate(deps, { ...asker, password, totpCode });
  const code = makeCode();
  const { loginId } = asker;
  const [hash] = deps.codes.hashChange({ loginId, channel, address, code });
  const message = { ...deps.secrets.seal({ code, purpose: `change_${channel}` }), locale };
  const change = { channel, address, hash, message };
  const limits = listLimits(deps, { loginId, channel, address, ip });
  const refused = await startLoginChange(deps.db, asker, { change, limits });
  if (!refused) return;
  throw new DomainError("rate_limited", { extra: { retry_after_s: refused.retryAfterSeconds } });
}

type Finish = Target & { asker: Asker; code: string; ip?: string | undefined; audit: Audit };

/**
 * Gives a login the address that a code was sent to. All of its other sessions end, and whoever had
 * the old one is told. Errors: validation_failed, already_exists (who has shown the code has the
 * address too, and may know), rate_limited.
 */
export async function finishChange(deps: LoginDeps, finish: Finish): Promise<void> {
  const { db, cache, codes, secrets } = deps;
  const { asker, channel, code, ip, audit } = finish;
  const address = readAddress(deps, finish);
  await takeLoginLimits(deps, "code", { ip });
  const { loginId } = asker;
  const hashes = codes.hashChange({ loginId, channel, address, code });
  const guess = { channel, address, hashes, notice: secrets.seal({ channel }) };
  const outcome = await useLoginChange(db, asker, { guess, audit });
  if (outcome === "wrong") throw refuseAt("/code", "This code is not valid, or no longer.");
  if (outcome === "taken") throw new DomainError("already_exists");
  // The database has told the others; this process shall know before its answer is out.
  await cache.forget([`login:${loginId}`]);
  const identity = channel === "email" ? nameMailbox(address) : namePhone(address);
  await grantLoginTrial(db, loginId, secrets.hashIdentity(identity));
}

/** An address comes in its one form; a number is read. Errors: validation_failed. */
const readAddress = (deps: LoginDeps, { channel, text }: Target) =>
  channel === "email" ? text : requirePhone(deps, text);

const hours = 60 * 60;

type Change = { loginId: string; channel: Channel; address: string; ip: string | undefined };

/** A mail costs what any mail to an address costs, a text message too; a login has its own. */
function listLimits(deps: LoginDeps, { loginId, channel, address, ip }: Change): Limit[] {
  const sent =
    channel === "phone"
      ? listSmsLimits(deps, address, ip)
      : listLoginLimits(deps, "mail", { email: address, ip });
  const name = deps.secrets.hashKey(address);
  return [
    ...sent,
    { key: `change:${loginId}`, limit: 10, windowSeconds: hours },
    { key: `change-day:${loginId}`, limit: 20, windowSeconds: 24 * hours },
    // Five guesses each, by however many logins.
    { key: `change:address:${name}`, limit: 10, windowSeconds: 24 * hours },
  ];
}
