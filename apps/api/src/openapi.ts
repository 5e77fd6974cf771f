import type { OpenAPIHono } from "@hono/zod-openapi";
import manifest from "../package.json" with { type: "json" };
import type { AppEnv } from "./deps.ts";

export const version = manifest.version;

const description = `Credits, billing and generations for an AI product.

Every request to \`/v1\` carries \`Authorization: Bearer <key>\`; a server names the account that it
acts for in \`Ducat-Account\`. Errors are \`application/problem+json\` with a stable \`code\`. A
request that spends carries an \`Idempotency-Key\`: repeat it with the same key as often as you
like.`;

const parameters = {
  DucatAccount: {
    name: "Ducat-Account",
    required: false,
    description:
      "The account that a server acts for: its id or external id. Whoever is an account, by a " +
      "session, a token or a key of its own, names none: it is not read then.",
    schema: { type: "string", minLength: 1, maxLength: 255 },
    example: "ada",
  },
  NamedDucatAccount: {
    name: "Ducat-Account",
    required: true,
    description: "The account that it is done to: its id or external id.",
    schema: { type: "string", minLength: 1, maxLength: 255 },
    example: "ada",
  },
  IdempotencyKey: {
    name: "Idempotency-Key",
    required: true,
    description: "Any text of your own, once per thing you want done; plain or as a quoted string.",
    schema: { type: "string", minLength: 1, maxLength: 255 },
    example: "order-4711",
  },
  PreferWait: {
    name: "Prefer",
    required: false,
    description: "`wait=N`: answer when it has ended, after N seconds at the latest (60 at most).",
    schema: { type: "string" },
    example: "wait=30",
  },
  LastEventId: {
    name: "Last-Event-ID",
    required: false,
    description: "The `id` of the last event: the stream goes on after it. Browsers send it.",
    schema: { type: "string", maxLength: 4000 },
    example: "a1.7.12_1",
  },
} as const;

const tags = [
  { name: "Accounts", description: "Whose credits they are, and what is kept of them." },
  { name: "Keys", description: "API keys of servers." },
  { name: "Logins", description: "For people, by e-mail and password." },
  { name: "Vendors", description: "Profiles of those who sell, and what everybody sees of them." },
  { name: "Uploads", description: "Photos to start from." },
  { name: "Gallery", description: "Pictures that are kept, in albums." },
  { name: "Styles", description: "Presets on offer." },
  { name: "Generations", description: "What is asked for, paid and made." },
  { name: "Credits", description: "Balance, ledger, holds." },
  { name: "Entitlements", description: "What a plan allows, and what of it is used." },
  { name: "Billing", description: "Products, payments, subscriptions." },
  { name: "Events", description: "What happened, as lists and as streams." },
  { name: "Webhooks", description: "What happened, sent to servers." },
  { name: "Files", description: "By signed URLs." },
  { name: "Pages", description: "For customers' browsers." },
  { name: "Admin", description: "For support, with an audit line each." },
  { name: "Operations", description: "For whoever runs this." },
];

/** Describes the routes: call it when all of them are there. */
export function makeDocument(app: OpenAPIHono<AppEnv>) {
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Ducat",
      version,
      description,
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
    // Relative to this document, so that /docs calls the host that it was loaded from.
    servers: [{ url: "/" }],
    tags,
    security: [{ key: [] }],
  });
  return mendSchemas(document);
}

const mostOf32Bits = 2 ** 31 - 1;

/**
 * Says what the schemas' generator leaves out or gets wrong. Patterns lose their flags, which a
 * JSON schema has no place for: it has `u` anyway. Integers that 32 bits may not hold say so:
 * clients in languages with several kinds of them would take the small one.
 */
function mendSchemas<T>(part: T): T {
  if (Array.isArray(part)) return part.map(mendSchemas) as T;
  if (typeof part !== "object" || part === null) return part;
  const members = Object.entries(part).map(([name, value]) => {
    if (name === "pattern" && typeof value === "string") return [name, value.replace(/\/u$/, "")];
    // Those are no schemas, whatever they look like.
    return [name, /^(?:examples?|default|enum)$/.test(name) ? value : mendSchemas(value)];
  });
  return { ...Object.fromEntries(members), ...(isLargeInteger(part) && { format: "int64" }) };
}

function isLargeInteger(schema: object): boolean {
  const { type, minimum, maximum } = schema as Record<string, unknown>;
  const isInteger = type === "integer" || (Array.isArray(type) && type.includes("integer"));
  const isSmall = (bound: unknown) => typeof bound === "number" && Math.abs(bound) <= mostOf32Bits;
  return isInteger && !(isSmall(minimum) && isSmall(maximum));
}

/** The parts that routes refer to. */
export function registerComponents({ openAPIRegistry }: OpenAPIHono<AppEnv>): void {
  openAPIRegistry.registerComponent("securitySchemes", "key", { type: "http", scheme: "bearer" });
  for (const [name, parameter] of Object.entries(parameters)) {
    openAPIRegistry.registerComponent("parameters", name, { in: "header", ...parameter });
  }
}
