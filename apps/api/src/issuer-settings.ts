import { z } from "zod";

/** Signatures that only the issuer can make: those by a shared secret are never among them. */
const asymmetric = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

const mostIssuers = 20;
const isLoopback = (url: URL) => ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);

/** https; http to this machine only, for emulators. */
const address = z
  .string()
  .max(255)
  .refine((text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url?.username !== "" || url.password !== "" || url.hash !== "") return false;
    return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url));
  }, "is an https:// address without a password in it");

/** One issuer whose tokens are accepted, and what they must say. */
export const IssuerSettings = z
  .strictObject({
    /** `iss` of its tokens, to the letter. */
    issuer: address,
    /** Where its public keys are. */
    jwksUrl: address,
    /** What must be in `aud`. */
    audience: z.string().min(1).max(255).optional(),
    algorithms: z
      .array(z.enum(asymmetric))
      .min(1)
      .max(asymmetric.length)
      .default(["RS256", "ES256", "EdDSA"]),
    /** Whether `azp` must be one of ALLOWED_ORIGINS. */
    checksOrigin: z.boolean().default(false),
    /** How long ago a token may have been made, whenever it expires. */
    maxAgeSeconds: z.int().min(60).max(604_800).default(86_400),
  })
  .refine(({ audience, checksOrigin }) => audience !== undefined || checksOrigin, {
    error: "says neither whom its tokens are for (audience) nor that their origin is checked",
  });
export type IssuerSettings = z.output<typeof IssuerSettings>;
type Draft = z.input<typeof IssuerSettings>;

const trim = (url: string) => url.replace(/\/+$/, "");

/** What each preset makes of the text behind its name; undefined for one that can't be meant. */
const presets: Record<string, (text: string) => Draft | undefined> = {
  // firebase.google.com/docs/auth/admin/verify-id-tokens
  firebase: (project) =>
    /^[a-z][a-z0-9-]{3,29}$/.test(project)
      ? {
          issuer: `https://securetoken.google.com/${project}`,
          jwksUrl:
            "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
          audience: project,
          algorithms: ["RS256"],
        }
      : undefined,
  // supabase.com/docs/guides/auth/jwts: projects with asymmetric signing keys
  supabase: (url) => ({
    issuer: `${trim(url)}/auth/v1`,
    jwksUrl: `${trim(url)}/auth/v1/.well-known/jwks.json`,
    audience: "authenticated",
    algorithms: ["ES256", "RS256", "EdDSA"],
  }),
  // clerk.com/docs/guides/sessions/manual-jwt-verification
  clerk: (url) => ({
    issuer: trim(url),
    jwksUrl: `${trim(url)}/.well-known/jwks.json`,
    algorithms: ["RS256"],
    checksOrigin: true,
  }),
  // auth0.com/docs/secure/tokens/access-tokens/validate-access-tokens
  auth0: (text) => {
    const [, domain, audience] = /^([a-z0-9.-]+):(.+)$/i.exec(text) ?? [];
    if (domain === undefined || audience === undefined) return undefined;
    return {
      issuer: `https://${domain}/`,
      jwksUrl: `https://${domain}/.well-known/jwks.json`,
      audience,
      algorithms: ["RS256"],
    };
  },
};

type Refuse = (message: string, path?: (string | number)[]) => void;

/**
 * OIDC_ISSUERS: a JSON list of issuers, or presets with commas between them. Faults name a place
 * and never repeat what stands there.
 */
export const IssuerList = z
  .string()
  .default("")
  .transform((text, context): IssuerSettings[] => {
    const refuse: Refuse = (message, path = []) => {
      context.addIssue({ code: "custom", message, path });
    };
    const drafts = text.trim().startsWith("[") ? readJson(text, refuse) : readPresets(text, refuse);
    if (drafts.length > mostIssuers) refuse(`has at most ${mostIssuers} issuers`);
    const issuers = drafts.slice(0, mostIssuers).flatMap((draft, index) => {
      const parsed = IssuerSettings.safeParse(draft);
      if (parsed.success) return [parsed.data];
      for (const issue of parsed.error.issues) refuse(explain(issue), [index, ...toPath(issue)]);
      return [];
    });
    const names = new Set(issuers.map(({ issuer }) => issuer));
    if (names.size < issuers.length) refuse("names an issuer twice");
    return issuers;
  });

function readJson(text: string, refuse: Refuse): unknown[] {
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list)) return list;
  } catch {
    // What JSON.parse says quotes the text.
  }
  refuse("begins like a JSON list and is none");
  return [];
}

function readPresets(text: string, refuse: Refuse): Draft[] {
  const parts = text.split(",").flatMap((part) => part.trim() || []);
  return parts.flatMap((part, index) => {
    const [, name = "", rest = ""] = /^([a-z0-9]+):(.*)$/.exec(part) ?? [];
    const draft = Object.hasOwn(presets, name) ? presets[name]?.(rest) : undefined;
    if (draft) return [draft];
    refuse(
      "is firebase:<project id>, supabase:<project url>, clerk:<issuer url> or " +
        "auth0:<domain>:<audience>",
      [index],
    );
    return [];
  });
}

/** Zod's own sentences are fine but for the names of members, which may be anything. */
const explain = (issue: z.core.$ZodIssue) =>
  issue.code === "unrecognized_keys" ? "has a member that is not known" : issue.message;

const toPath = ({ path }: z.core.$ZodIssue) =>
  path.filter((part): part is string | number => typeof part !== "symbol");

/** What one variable can't say alone, for `superRefine`. */
export function checkIssuers(
  settings: { OIDC_ISSUERS: IssuerSettings[]; ALLOWED_ORIGINS: string[]; DUCAT_MODE: string },
  context: z.RefinementCtx,
): void {
  const { OIDC_ISSUERS: issuers, ALLOWED_ORIGINS, DUCAT_MODE } = settings;
  const refuse = (message: string) =>
    context.addIssue({ code: "custom", path: ["OIDC_ISSUERS"], message });
  if (ALLOWED_ORIGINS.length === 0 && issuers.some(({ checksOrigin }) => checksOrigin)) {
    refuse("has an issuer (as Clerk) whose tokens are checked against ALLOWED_ORIGINS: set it");
  }
  const addresses = issuers.flatMap(({ issuer, jwksUrl }) => [issuer, jwksUrl]);
  if (DUCAT_MODE === "live" && addresses.some((text) => text.startsWith("http:"))) {
    refuse("has https:// addresses only in live mode");
  }
}
