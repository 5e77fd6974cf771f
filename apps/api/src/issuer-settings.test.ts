import { describe, expect, it } from "vitest";
import { parseEnv } from "./env.ts";

const least = {
  DATABASE_URL: "postgres://u:p@db/ducat",
  DUCAT_MODE: "test",
  ROOT_KEY: `dk_test_${"r".repeat(32)}`,
  SECRET_KEYS: "s".repeat(32),
  ALLOWED_ORIGINS: "https://app.example.com",
};
const parse = (OIDC_ISSUERS: string, more: Record<string, string> = {}) =>
  parseEnv({ ...least, ...more, OIDC_ISSUERS }).OIDC_ISSUERS;
const faultsOf = (text: string, more: Record<string, string> = {}) => {
  try {
    parse(text, more);
    return "";
  } catch (error) {
    return (error as Error).message;
  }
};
const known = {
  issuer: "https://id.example.com/",
  jwksUrl: "https://id.example.com/jwks",
  audience: "shop",
};
const list = (...issuers: object[]) => JSON.stringify(issuers);

describe("OIDC_ISSUERS", () => {
  it("is nobody when it is left out", () => {
    expect(parseEnv(least).OIDC_ISSUERS).toEqual([]);
    expect(parse(" ")).toEqual([]);
  });

  it("knows Firebase, Supabase, Clerk and Auth0 by a word", () => {
    const text =
      "firebase:my-shop-1, supabase:https://abc.supabase.co/,clerk:https://clerk.example.com," +
      "auth0:shop.eu.auth0.com:https://api.example.com/v1";
    const rest = { checksOrigin: false, maxAgeSeconds: 86_400 };
    expect(parse(text)).toEqual([
      {
        issuer: "https://securetoken.google.com/my-shop-1",
        jwksUrl:
          "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
        audience: "my-shop-1",
        algorithms: ["RS256"],
        ...rest,
      },
      {
        issuer: "https://abc.supabase.co/auth/v1",
        jwksUrl: "https://abc.supabase.co/auth/v1/.well-known/jwks.json",
        audience: "authenticated",
        algorithms: ["ES256", "RS256", "EdDSA"],
        ...rest,
      },
      {
        issuer: "https://clerk.example.com",
        jwksUrl: "https://clerk.example.com/.well-known/jwks.json",
        algorithms: ["RS256"],
        ...rest,
        checksOrigin: true,
      },
      {
        issuer: "https://shop.eu.auth0.com/",
        jwksUrl: "https://shop.eu.auth0.com/.well-known/jwks.json",
        audience: "https://api.example.com/v1",
        algorithms: ["RS256"],
        ...rest,
      },
    ]);
  });

  it("takes others as JSON, each to the letter", () => {
    const { issuer } = known;
    const local = { issuer: "http://127.0.0.1:9099", jwksUrl: "http://[::1]:9099/k" };
    expect(parse(list(known, { ...local, checksOrigin: true, algorithms: ["PS256"] }))).toEqual([
      {
        ...known,
        issuer,
        algorithms: ["RS256", "ES256", "EdDSA"],
        checksOrigin: false,
        maxAgeSeconds: 86_400,
      },
      { ...local, checksOrigin: true, algorithms: ["PS256"], maxAgeSeconds: 86_400 },
    ]);
  });

  it("refuses what can't be meant, says where, and repeats nothing", () => {
    const s = "hunter2";
    const wrong: Record<string, [string, string]> = {
      "a word that is none": [`okta:${s}`, "OIDC_ISSUERS[0]"],
      "a property of objects": [`constructor:${s}`, "OIDC_ISSUERS[0]"],
      "a project id that is none": [`firebase:my-shop, firebase:${s}/../x`, "OIDC_ISSUERS[1]"],
      "no audience": [`auth0:${s}.auth0.com`, "OIDC_ISSUERS[0]"],
      "an open line": [`clerk:http://${s}.example.com`, "OIDC_ISSUERS[0].issuer"],
      "no address": [`supabase:${s}`, "OIDC_ISSUERS[0].jwksUrl"],
      "a password": [`clerk:https://me:${s}@id.example.com`, "OIDC_ISSUERS[0].issuer"],
      "JSON that is none": [`[{"issuer": "${s}`, "begins like a JSON list"],
      "a list of a text": [`["${s}"]`, "OIDC_ISSUERS[0]"],
      "a member that is not known": [list({ ...known, [s]: s }), "has a member that is not known"],
      "a shared secret": [list({ ...known, algorithms: ["HS256"] }), "algorithms[0]"],
      "no signature": [list({ ...known, algorithms: ["none"] }), "algorithms[0]"],
      "no algorithm": [list({ ...known, algorithms: [] }), "OIDC_ISSUERS[0].algorithms"],
      "anybody's tokens": [list({ ...known, audience: undefined }), "whom its tokens are for"],
      "one twice": [list(known, { ...known, audience: s }), "names an issuer twice"],
      "too many": [
        list(
          ...Array.from({ length: 21 }, (_, n) => ({ ...known, issuer: `https://${n}.example` })),
        ),
        "has at most 20",
      ],
    };
    for (const [name, [text, place]] of Object.entries(wrong)) {
      const message = faultsOf(text);
      expect(message, name).toContain(place);
      expect(message, name).not.toContain(s);
    }
  });

  it("needs ALLOWED_ORIGINS where the origin of tokens is checked", () => {
    const message = faultsOf("clerk:https://clerk.example.com", { ALLOWED_ORIGINS: "" });
    expect(message).toContain("ALLOWED_ORIGINS");
    expect(message).toContain("→ at OIDC_ISSUERS");
  });

  it("takes an open line to this machine in test mode only", () => {
    const live = {
      DUCAT_MODE: "live",
      ROOT_KEY: "r".repeat(32),
      PUBLIC_URL: "https://api.example",
    };
    const local = list({ ...known, jwksUrl: "http://localhost:9099/jwks" });
    expect(faultsOf(local)).toBe("");
    expect(faultsOf(local, live)).toContain("https:// addresses only");
    expect(faultsOf(list(known), live)).toBe("");
  });
});
