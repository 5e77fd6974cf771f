import { type Limit, takeLimits } from "@ducat/db/rate-limits";
import type { TotpProof } from "@ducat/db/totp";
import { DomainError } from "@ducat/types/errors";
import type { LoginDeps } from "./deps.ts";
import { findStep } from "./totp.ts";

/**
 * However many challenges somebody opens: so many guesses at one login's codes. Errors:
 * rate_limited.
 */
export async function takeTotpGuess({ db }: Pick<LoginDeps, "db">, loginId: string): Promise<void> {
  const limits: Limit[] = [
    { key: `totp:${loginId}`, limit: 20, windowSeconds: 60 * 60 },
    { key: `totp-day:${loginId}`, limit: 60, windowSeconds: 24 * 60 * 60 },
  ];
  const refused = await takeLimits(db, limits);
  if (!refused) return;
  throw new DomainError("rate_limited", { extra: { retry_after_s: refused.retryAfterSeconds } });
}

/** What a code proves, as far as it can be told without asking whether it was used. */
export function readTotpProof(
  { codes, now }: Pick<LoginDeps, "codes" | "now">,
  { loginId, secret, code }: { loginId: string; secret: string; code: string },
): TotpProof | undefined {
  if (/^\d{6}$/.test(code)) {
    const locked = Buffer.from(secret, "hex");
    const step = findStep(codes.unlock(loginId, locked), code, now());
    if (step === undefined) return undefined;
    const to = codes.relock(loginId, locked)?.toString("hex");
    return to === undefined ? { step } : { step, relocked: { from: secret, to } };
  }
  const plain = code.toLowerCase().replaceAll(/[\s-]/g, "");
  return { codes: codes.hashBackup(loginId, plain).map((hash) => hash.toString("hex")) };
}
