import { type CodePurpose, sendLoginCode } from "@ducat/db/login-codes";
import type { Limit } from "@ducat/db/rate-limits";
import { DomainError } from "@ducat/types/errors";
import { refuseAt } from "../problem.ts";
import { makeCode } from "./code-secrets.ts";
import type { LoginDeps } from "./deps.ts";
import { evenOut } from "./even-out.ts";
import { readPhone } from "./phone-number.ts";
import { widen } from "./take-limits.ts";

export type CodeRequest = {
  phone: string;
  purpose: CodePurpose;
  locale: string;
  ip?: string | undefined;
};

/** How long a code works, and a challenge: login-codes.sql and totp.sql say it. */
export const codeSeconds = 600;

const minutes = 60;
const hours = 60 * minutes;
const days = 24 * hours;

/** Of a number as E.164 without +: blocks of numbers that are rented out together. */
const prefixDigits = 7;

/**
 * Sends a code to a number, whoever has it: an unknown one gets the same answer in the same time.
 * Each one costs money, so that there are limits by number, place and block of numbers, and one for
 * all of them together. Errors: validation_failed, rate_limited with `retry_after_s`.
 */
export async function sendCode(deps: LoginDeps, request: CodeRequest): Promise<void> {
  const { purpose, locale } = request;
  const phone = requirePhone(deps, request.phone);
  await evenOut(deps.floorMs, async () => {
    const code = makeCode();
    const [hash] = deps.codes.hashCode({ phone, purpose, code });
    const message = { ...deps.secrets.seal({ code, purpose }), locale };
    const limits = listSmsLimits(deps, phone, request.ip);
    const refused = await sendLoginCode(deps.db, { phone, purpose, hash, message }, limits);
    if (!refused) return;
    throw new DomainError("rate_limited", { extra: { retry_after_s: refused.retryAfterSeconds } });
  });
}

/** Errors: validation_failed. */
export function requirePhone({ sms }: Pick<LoginDeps, "sms">, text: string): string {
  const phone = readPhone(text, sms);
  if (phone === undefined) {
    throw refuseAt("/phone", "A mobile number that we can send messages to, as in +989121234567.");
  }
  return phone;
}

/** What a message to a number is taken from, by number, block of numbers, place and day. */
export function listSmsLimits(
  { secrets, sms }: Pick<LoginDeps, "secrets" | "sms">,
  phone: string,
  ip: string | undefined,
): Limit[] {
  const number = secrets.hashKey(phone);
  const prefix = phone.slice(1, 1 + prefixDigits);
  const limits = [
    { key: `sms:phone:${number}`, limit: 3, windowSeconds: 10 * minutes },
    { key: `sms:phone-day:${number}`, limit: 10, windowSeconds: days },
    { key: `sms:prefix:${prefix}`, limit: 50, windowSeconds: hours },
    { key: "sms:all", limit: sms.dailyLimit, windowSeconds: days },
  ];
  if (ip === undefined) return limits;
  const place = secrets.hashKey(widen(ip));
  return [
    ...limits,
    { key: `sms:ip:${place}`, limit: 20, windowSeconds: hours },
    { key: `sms:ip-day:${place}`, limit: 100, windowSeconds: days },
  ];
}
