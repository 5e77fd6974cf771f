import type { ExternalPerson, PersonHashes } from "@ducat/db/external-identities";
import { createLoginSecrets, nameMailbox } from "./logins/login-secrets.ts";

/** What is remembered of somebody who had their trial, or has gone. */
export type HashPerson = (person: ExternalPerson) => PersonHashes;

/**
 * Hashes what somebody is known by elsewhere: the issuer's name for them and their mailbox, the
 * latter as our own logins do. `secrets` are the SECRET_KEYS.
 */
export function createPersonHash(secrets: readonly string[]): HashPerson {
  const { hashIdentity } = createLoginSecrets(secrets);
  return ({ issuer, subject, email }) => {
    const names = hashIdentity(`external:${issuer} ${subject}`);
    const mailbox = email === undefined ? [] : hashIdentity(nameMailbox(email));
    return { names, identities: [...names, ...mailbox] };
  };
}
