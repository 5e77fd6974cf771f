import { hash, verify } from "@node-rs/argon2";
import { createSlots, type SlotLimits } from "../slots.ts";

export type HashCost = { memoryKib: number; passes: number };

/** argon2id as OWASP asks for it (2025): 19 MiB, two passes, one lane; about 70 ms. */
export const usualCost: HashCost = { memoryKib: 19_456, passes: 2 };

/**
 * Two of libuv's four threads, which files and names of hosts need as well, and 40 MiB; whoever is
 * last in line waits for about two seconds.
 */
const usualLimits: SlotLimits = { slots: 2, mostWaiting: 60 };

/** Errors of each: unavailable (reason: busy), whosever password it is. */
export type PasswordHasher = {
  hash(password: string): Promise<string>;
  verify(hashed: string, password: string): Promise<boolean>;
};

/** One and the same password has one form, whatever keyboard it was typed on (RFC 8265). */
const normalize = (password: string) => password.normalize("NFKC");

export function createPasswordHasher(
  { memoryKib, passes }: HashCost,
  limits = usualLimits,
): PasswordHasher {
  const holdSlot = createSlots(limits, "Too many passwords at once.");
  const options = { memoryCost: memoryKib, timeCost: passes, parallelism: 1 };
  return {
    hash: (password) => holdSlot(() => hash(normalize(password), options)),
    verify: (hashed, password) => holdSlot(() => verify(hashed, normalize(password))),
  };
}
