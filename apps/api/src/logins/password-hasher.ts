import { hash, verify } from "@node-rs/argon2";

export type HashCost = { memoryKib: number; passes: number };

/** argon2id as OWASP asks for it (2025): 19 MiB, two passes, one lane; about 70 ms. */
export const usualCost: HashCost = { memoryKib: 19_456, passes: 2 };

export type PasswordHasher = {
  hash(password: string): Promise<string>;
  verify(hashed: string, password: string): Promise<boolean>;
};

/** One and the same password has one form, whatever keyboard it was typed on (RFC 8265). */
const normalize = (password: string) => password.normalize("NFKC");

export function createPasswordHasher({ memoryKib, passes }: HashCost): PasswordHasher {
  const options = { memoryCost: memoryKib, timeCost: passes, parallelism: 1 };
  return {
    hash: (password) => hash(normalize(password), options),
    verify: (hashed, password) => verify(hashed, normalize(password)),
  };
}
