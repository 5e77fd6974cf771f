import type { ExternalPerson, PersonHashes } from "@ducat/db/external-identities";
import { CreateAccount } from "@ducat/types/accounts";
import { DomainError } from "@ducat/types/errors";
import { decodeJwt, decodeProtectedHeader, type JWTPayload, errors as jose, jwtVerify } from "jose";
import type { Logger } from "pino";
import { createKeySource, type KeyLimits, type KeySource } from "./issuer-keys.ts";
import type { IssuerSettings } from "./issuer-settings.ts";
import { createPersonHash } from "./person-hash.ts";
import { readSignInTime } from "./sign-in-time.ts";

const longestToken = 8 * 1024;
/** How far an issuer's clock may be from ours, in seconds. */
const clockTolerance = 5;

/** What a token proves: who it is, and until when (milliseconds). */
export type ExternalProof = {
  person: ExternalPerson;
  /** What is remembered of them when they have had their trial, or have gone. */
  hashes: PersonHashes;
  expiresAt: number;
  /** When they last showed who they are (milliseconds), where the token tells it. */
  provenAt?: number;
};

export type ExternalIssuers = {
  /**
   * Who a token is for, if one of our issuers made it for us. Undefined for every other token.
   * Errors: unavailable (the issuer's keys can't be read).
   */
  verify(token: string): Promise<ExternalProof | undefined>;
};

type Issuer = { settings: IssuerSettings; findKey: KeySource };

/** Reads tokens (JWT, RFC 7519) of people who are signed in elsewhere. */
export function createExternalIssuers({
  issuers,
  allowedOrigins,
  secrets,
  now,
  log,
  limits = {},
}: {
  issuers: IssuerSettings[];
  allowedOrigins: string[];
  /** SECRET_KEYS, newest first. */
  secrets: readonly string[];
  now: () => number;
  log: Pick<Logger, "warn" | "debug">;
  limits?: KeyLimits;
}): ExternalIssuers {
  const hashPerson = createPersonHash(secrets);
  const known = new Map<string, Issuer>();
  for (const settings of issuers) {
    const { issuer, jwksUrl } = settings;
    known.set(issuer, { settings, findKey: createKeySource({ jwksUrl, limits, now, log }) });
  }
  return {
    async verify(token) {
      const issuer = token.length <= longestToken ? known.get(nameIssuer(token)) : undefined;
      if (!issuer) return undefined;
      const { settings } = issuer;
      try {
        const claims = await readClaims(token, { ...issuer, now });
        checkClaims(claims, settings.checksOrigin ? allowedOrigins : undefined);
        const person = toPerson(claims, settings.issuer);
        const expiresAt = (claims.exp ?? 0) * 1000;
        const proven = readSignInTime(claims);
        const provenAt = proven === undefined ? {} : { provenAt: proven * 1000 };
        return { person, hashes: hashPerson(person), expiresAt, ...provenAt };
      } catch (error) {
        if (error instanceof DomainError) throw error;
        // The error itself may hold the claims.
        const reason = error instanceof jose.JOSEError ? error.code : "ERR_KEY";
        log.debug({ issuer: settings.issuer, reason }, "a token of another issuer was refused");
        return undefined;
      }
    },
  };
}

/** What an unread token says who made it; only chooses whose keys it is checked with. */
function nameIssuer(token: string): string {
  try {
    const { iss } = decodeJwt(token);
    // Whatever an extension is about, none is asked for here.
    return iss !== undefined && !("crit" in decodeProtectedHeader(token)) ? iss : "";
  } catch {
    return "";
  }
}

async function readClaims(
  token: string,
  { settings, findKey, now }: Issuer & { now: () => number },
): Promise<JWTPayload> {
  const { issuer, audience, algorithms, maxAgeSeconds } = settings;
  const { payload, protectedHeader } = await jwtVerify(token, findKey, {
    issuer,
    algorithms,
    clockTolerance,
    currentDate: new Date(now()),
    maxTokenAge: maxAgeSeconds,
    requiredClaims: ["exp", "sub"],
    ...(audience !== undefined && { audience }),
  });
  // A token of another kind, as of a logout (RFC 8725, 3.11), proves nothing here.
  if (!/^(?:application\/)?(?:at\+)?jwt$/i.test(protectedHeader.typ ?? "JWT")) {
    throw new jose.JWTInvalid("a token of another kind");
  }
  return payload;
}

/** `origins`: those that a token may have been made for, when that is checked. */
function checkClaims({ sub, azp, sts }: JWTPayload, origins: string[] | undefined): void {
  // OpenID Connect, 2: at most 255 ASCII characters. Two that PostgreSQL can't tell apart must not
  // be one person.
  if (typeof sub !== "string" || !/^[ -~]{1,255}$/.test(sub))
    throw new jose.JWTInvalid("not a subject");
  if (origins && !(typeof azp === "string" && origins.includes(azp))) {
    throw new jose.JWTInvalid("made for another origin");
  }
  // Clerk: the session still waits for something that the person has to do.
  if (sts === "pending") throw new jose.JWTInvalid("not signed in yet");
}

function toPerson(claims: JWTPayload, issuer: string): ExternalPerson {
  const { sub: subject = "", email, email_verified, name } = claims;
  const isConfirmed = isTrue(email_verified);
  const isVerified = (isConfirmed || email_verified === undefined) && !isAnonymous(claims);
  return {
    issuer,
    subject,
    isVerified,
    // A token that is renewed all the time tells less than when they signed in.
    signedInAt: new Date((readSignInTime(claims) ?? claims.iat ?? 0) * 1000),
    email: isConfirmed ? CreateAccount.shape.email.safeParse(email).data : undefined,
    name: isConfirmed ? CreateAccount.shape.name.safeParse(name).data : undefined,
  };
}

/** Some issuers write claims that are true or false as texts. */
const isTrue = (claim: unknown) => claim === true || claim === "true";

/** Supabase and Firebase sign in people who haven't said who they are, as often as they like. */
function isAnonymous({ is_anonymous, firebase }: JWTPayload): boolean {
  const provider = (firebase as { sign_in_provider?: unknown } | null | undefined)
    ?.sign_in_provider;
  return isTrue(is_anonymous) || provider === "anonymous";
}
