import { createHash } from "node:crypto";
import { openExternalAccount } from "@ducat/db/external-identities";
import { DomainError } from "@ducat/types/errors";
import type { Principal } from "./auth.ts";
import type { Deps } from "./deps.ts";
import { accountScopes } from "./scopes.ts";

/** How long a process may believe what it found; deactivating the account tells it at once. */
const lifeMs = 15_000;

type Found = { accountId: string; isVerified: boolean; expiresAt: number; provenAt?: number };

/**
 * Somebody who is signed in elsewhere, as the account they have here; it is made when they first
 * come. No query while it is cached. Errors: unauthenticated (a token that is not good, a
 * deactivated account, an erased one of before), unavailable (the issuer's keys can't be read).
 */
export async function findExternalPrincipal(
  deps: Pick<Deps, "db" | "cache" | "now" | "externalIssuers">,
  token: string,
): Promise<Principal> {
  const load = () => loadFound(deps, token);
  const found = await deps.cache.getOrSet<Found>(`external:${hashText(token)}`, {
    ttlMs: lifeMs,
    tags: [],
    tagsOf: ({ accountId }) => [`account:${accountId}`],
    load,
  });
  // At its end a token is judged by the clock, not by what was remembered of it.
  const { expiresAt: endsAt, ...person } = found.expiresAt > deps.now() ? found : await load();
  const actor = `account:${person.accountId}`;
  return { kind: "external", actor, scopes: accountScopes, endsAt, ...person };
}

async function loadFound(
  { db, externalIssuers }: Pick<Deps, "db" | "externalIssuers">,
  token: string,
): Promise<Found> {
  const proof = await externalIssuers.verify(token);
  if (!proof) throw new DomainError("unauthenticated");
  const { person, hashes, expiresAt, provenAt } = proof;
  const opened = await openExternalAccount(db, person, hashes);
  if (!opened?.isActive) throw new DomainError("unauthenticated");
  const { accountId } = opened;
  const { isVerified } = person;
  return { accountId, isVerified, expiresAt, ...(provenAt !== undefined && { provenAt }) };
}

const hashText = (text: string) => createHash("sha256").update(text).digest("base64url");
