import type { ExternalPerson } from "@ducat/db/external-identities";
import { createLoginSecrets, nameMailbox } from "./logins/login-secrets.ts";

/** What is remembered of somebody who had their trial: HMACs by each of our secrets. */
export type HashPerson = (person: ExternalPerson) => Buffer[];

/**
 * Hashes what somebody is known by elsewhere: the issuer's name for them and their mailbox, the
 * latter as our own logins do. `secrets` are the SECRET_KEYS.
 */
export function createPersonHash(secrets: readonly string[]): HashPerson {
  const { hashIdentity } = createLoginSecrets(secrets);
  return ({ issuer, subject, email }) => [
    ...hashIdentity(`external:${issuer} ${subject}`),
    ...(email === undefined ? [] : hashIdentity(nameMailbox(email))),
  ];
}
