import { randomInt, randomUUID } from "node:crypto";
import type { Scope } from "../src/scopes.ts";
import type { Caller } from "./callers.ts";
import type { Operation } from "./operations.ts";
import { order } from "./stage.ts";
import type { Tenant } from "./tenant.ts";

/*
 * What the description of an operation doesn't say. A new route has to be entered here where these
 * functions say so; everything else is read from /openapi.json.
 */

/** The scope that each noun of the API asks for; `session`: whoever has logged in here. */
const nouns: Record<string, Scope | "session"> = {
  accounts: "accounts",
  admin: "admin",
  alerts: "credits",
  albums: "gallery",
  "api-keys": "keys",
  auth: "session",
  checkout: "billing",
  credits: "credits",
  "credits/auto-reload": "billing",
  entitlements: "usage",
  events: "events",
  generations: "generations",
  images: "gallery",
  me: "profile",
  payments: "billing",
  portal: "billing",
  products: "billing",
  styles: "styles",
  subscription: "billing",
  uploads: "uploads",
  usage: "usage",
  vendor: "profile",
  "webhook-endpoints": "webhooks",
  "webhook-secret": "webhooks",
};

/** Nobody but the product's own server may do this, for any account. */
export const isServers = ({ name }: Operation): boolean =>
  name === "POST /v1/usage" || name === "DELETE /v1/usage/{event_id}";

/** Admins read it and support, which reads all else, does not. */
export const isForAdmins = ({ name }: Operation): boolean =>
  name === "GET /v1/admin/webhook-endpoints/{id}/secret";

/** Persons may do this whatever their scopes are, proven or not. */
export const isErasing = ({ name }: Operation): boolean => name === "DELETE /v1/me";

export function scopeOf(operation: Operation): Scope | "session" {
  const { name, path } = operation;
  if (isErasing(operation)) return "accounts";
  const [, , noun = "", rest] = path.split("/");
  const scope = nouns[`${noun}/${rest}`] ?? nouns[noun];
  if (!scope) throw new Error(`Say in matrix-entries.ts, nouns, which scope ${name} asks for.`);
  return scope;
}

type Kind = keyof Tenant["ids"];

/** What has the id after this word in a path. Nothing: what belongs to nobody in particular. */
const things: Record<string, Kind[]> = {
  accounts: ["account"],
  albums: ["album"],
  anomalies: [],
  "api-keys": ["key"],
  generations: ["generation", "running"],
  holds: ["hold"],
  images: ["image"],
  logins: ["login"],
  payments: ["payment"],
  catalog: [],
  config: [],
  messages: [],
  "promo-codes": [],
  sessions: ["session"],
  styles: [],
  tasks: [],
  versions: [],
  usage: ["event"],
  "webhook-endpoints": ["endpoint"],
  "webhook-events": [],
};

export function thingsOf({ name, path }: Operation): Kind[] {
  const word = path.split("/{")[0]?.split("/").at(-1) ?? "";
  const kinds = things[word];
  if (!kinds) throw new Error(`Say in matrix-entries.ts, things, whose id is in ${name}.`);
  return kinds;
}

/** Things that this is possible with once: the owner takes a new one. */
const spent: Record<string, (owner: Tenant) => Promise<string>> = {
  "DELETE /v1/albums/{id}": ({ make }) => make.album(),
  "DELETE /v1/api-keys/{id}": ({ make }) => make.key(),
  "DELETE /v1/auth/sessions/{id}": ({ make }) => make.session(),
  "DELETE /v1/generations/{id}": ({ make }) => make.finished(),
  "DELETE /v1/images/{id}": ({ make }) => make.image(),
  "DELETE /v1/webhook-endpoints/{id}": ({ make }) => make.endpoint(),
  // Everybody's.
  "GET /v1/styles/{id}": async () => "letter",
  "POST /v1/admin/generations/{id}/refund": ({ make }) => make.finished(),
  "POST /v1/admin/payments/{id}/refund": ({ make }) => make.payment(),
  "POST /v1/api-keys/{id}/rotate": ({ make }) => make.key(),
  "POST /v1/credits/holds/{id}/capture": ({ make }) => make.hold(),
  "POST /v1/credits/holds/{id}/release": ({ make }) => make.hold(),
  "POST /v1/generations/{id}/cancel": ({ make }) => make.running(),
  "POST /v1/generations/{id}/retry": ({ make }) => make.finished(),
};

export const takeOwn = async (operation: Operation, owner: Tenant): Promise<string> => {
  const [kind] = thingsOf(operation);
  return (await spent[operation.name]?.(owner)) ?? (kind ? owner.ids[kind] : randomUUID());
};

const password = "correct horse battery";
/** Addresses and numbers that nobody has: there are limits for each. */
const email = () => `${randomUUID()}@new.example`;
const phone = () => `+98912${randomInt(1_000_000, 10_000_000)}`;

const newStyle = {
  name: "A style",
  description: "Of nobody's.",
  category: "landscape",
  kind: "image",
  generator: "local",
  prompt: "{label}",
  params: { look: "studio_noir" },
  cost: 1,
};

/** Bodies that can be sent once only, or only so often. */
const bodies: Record<string, () => Record<string, unknown>> = {
  "POST /v1/accounts": () => ({ external_id: `new-${randomUUID()}` }),
  "PATCH /v1/albums/{id}": () => ({ name: `new-${randomUUID()}` }),
  "POST /v1/albums": () => ({ name: `new-${randomUUID()}` }),
  // Any that is in order would take the others' plans away.
  "POST /v1/admin/catalog": () => ({ catalog: "x", products: [{}] }),
  "POST /v1/admin/catalog/restore": () => ({ version: 2_000_000_000 }),
  "POST /v1/admin/styles": () => ({ ...newStyle, id: `new_${randomInt(1, 1e12)}` }),
  "POST /v1/admin/promo-codes": () => ({ code: `new-${randomUUID()}`, credits: 1 }),
  "POST /v1/auth/email": () => ({ email: email() }),
  "POST /v1/auth/forgot-password": () => ({ email: email() }),
  "POST /v1/auth/login": () => ({ email: email(), password }),
  "POST /v1/auth/otp/send": () => ({ phone: phone(), purpose: "login", locale: "en" }),
  "POST /v1/auth/otp/verify": () => ({ phone: phone(), purpose: "login", code: "000000" }),
  "POST /v1/auth/phone": () => ({ phone: phone() }),
  "POST /v1/auth/register": () => ({ email: email(), password }),
  "POST /v1/auth/resend-verification": () => ({ email: email() }),
  "POST /v1/entitlements/check": () => ({ feature: "gallery_images" }),
  "POST /v1/usage": () => ({ feature: "gallery_images", event_id: randomUUID() }),
};

export const bodyOf = ({ name, example }: Operation): Record<string, unknown> | undefined =>
  bodies[name]?.() ?? example;

const batchOf = (input: object) => ({ style: "modern_minimalist", rows: [{ input }] });

/** Ids that a body names; everything else in bodies is text, or everybody's (prices). */
const references: Record<string, (owner: Tenant) => { body: object; status: number }[]> = {
  "POST /v1/generations": ({ ids }) => [
    { body: order({ input: { type: "photo", photo_id: ids.upload } }), status: 422 },
  ],
  "POST /v1/generations/batch": ({ ids }) => [
    { body: batchOf({ type: "photo", photo_id: ids.upload }), status: 422 },
  ],
  "POST /v1/generations/estimate": ({ ids }) => [
    // It costs what it costs, whatever it starts from.
    { body: order({ input: { type: "photo", photo_id: ids.upload } }), status: 200 },
  ],
  // Their own image would be told that there is no such album: see images.test.ts.
  "PATCH /v1/images/{id}": ({ ids }) => [{ body: { album_id: ids.album }, status: 404 }],
  "POST /v1/images": ({ ids }) => [
    { body: { upload_id: ids.upload }, status: 422 },
    { body: { generation_item_id: ids.item }, status: 422 },
    { body: { upload_id: randomUUID(), album_id: ids.album }, status: 422 },
  ],
  "POST /v1/events/tickets": ({ ids }) => [
    { body: { generation_id: ids.generation }, status: 404 },
    { body: { generation_id: ids.running }, status: 404 },
  ],
  "PATCH /v1/me": ({ ids }) => [{ body: { avatar: ids.upload }, status: 422 }],
  "POST /v1/auth/sessions": ({ ids }) => [{ body: { account_id: ids.account }, status: 404 }],
  // An event's name is its account's own: it hides nothing of the owner's, who has used it too.
  "POST /v1/usage": ({ ids }) => [
    { body: { feature: "nothing", event_id: ids.event }, status: 404 },
  ],
  "POST /v1/admin/generations/{id}/refund": ({ ids }) => [
    { body: { items: [ids.item], reason: "x" }, status: 404 },
  ],
};
const named: Record<string, string[]> = {
  "PATCH /v1/images/{id}": ["album_id"],
  "POST /v1/images": ["upload_id", "generation_item_id", "album_id"],
  "POST /v1/events/tickets": ["generation_id"],
  // Where a search goes on: it only says which events are left out.
  "POST /v1/webhook-endpoints/{id}/replay": ["after"],
  "POST /v1/admin/webhook-endpoints/{id}/replay": ["after"],
  "PATCH /v1/me": ["avatar"],
  "POST /v1/auth/sessions": ["account_id"],
  "POST /v1/generations": ["photo_id"],
  "POST /v1/generations/batch": ["photo_id"],
  "POST /v1/generations/estimate": ["photo_id"],
  "POST /v1/usage": ["event_id"],
  "POST /v1/admin/generations/{id}/refund": ["items"],
};
/** Members with ids of things that belong to nobody in particular. */
const everybodys = ["price_id"];

export function referencesOf({ name, idMembers }: Operation, owner: Tenant) {
  const known = [...everybodys, ...(named[name] ?? [])];
  const unknown = idMembers.filter((member) => !known.includes(member));
  if (unknown.length > 0) {
    throw new Error(`Say in matrix-entries.ts, references, what ${unknown} of ${name} name.`);
  }
  return references[name]?.(owner) ?? [];
}

/** What an account without a subscription or anything paid is told, where it isn't a success. */
const own: Record<string, number | ((caller: Caller) => number)> = {
  "GET /v1/subscription": ({ is }) => (is === "owner" ? 200 : 404),
  "GET /v1/vendor": ({ kind }) => (kind === "vendor" ? 200 : 409),
  "POST /v1/accounts": 201,
  // Its example names an account that isn't there.
  "POST /v1/admin/clock/advance": 404,
  "POST /v1/admin/catalog": 422,
  // There is none of the number, and nobody would have pushed it.
  "POST /v1/admin/catalog/restore": 404,
  "POST /v1/auth/accounts": ({ isUnverified, kind }) => {
    if (isUnverified) return 403;
    return kind === "vendor" ? 200 : 201;
  },
  "POST /v1/auth/email/verify": 422,
  "POST /v1/auth/phone/verify": 422,
  // Its example wants the user's account.
  "POST /v1/auth/sessions": ({ kind }) => (kind === "vendor" ? 404 : 201),
  "POST /v1/auth/totp": ({ isUnverified }) => (isUnverified ? 403 : 201),
  "POST /v1/auth/totp/activate": ({ isUnverified }) => (isUnverified ? 409 : 422),
  "POST /v1/auth/totp/disable": 409,
  "POST /v1/credits/redeem": 404,
  // The owner's plan has no features.
  "POST /v1/entitlements/check": ({ is }) => (is === "owner" ? 404 : 200),
  "POST /v1/generations": 201,
  "POST /v1/generations/{id}/retry": 201,
  // Nobody has the upload of the example.
  "POST /v1/images": 422,
  "POST /v1/portal": 409,
  "POST /v1/subscription/cancel": ({ is }) => (is === "owner" ? 200 : 404),
  "POST /v1/subscription/change": 404,
  "POST /v1/subscription/resume": ({ is }) => (is === "owner" ? 200 : 404),
  "POST /v1/usage": ({ is }) => (is === "owner" ? 404 : 201),
  "PUT /v1/vendor": ({ kind }) => (kind === "vendor" ? 200 : 409),
};

export function successOf({ name, success }: Operation, caller: Caller): number {
  const status = own[name];
  return typeof status === "function" ? status(caller) : (status ?? success);
}

/** They end the caller's session or account, or are new once: each is asked by somebody new. */
export const endsCaller = ({ name }: Operation): boolean =>
  [
    "DELETE /v1/me",
    "DELETE /v1/auth/sessions",
    "POST /v1/auth/accounts",
    "POST /v1/auth/logout",
  ].includes(name);

/** One at a time of an account, or what they answer depends on what was asked before. */
export const isLate = ({ name }: Operation): boolean =>
  [
    "GET /v1/me/export",
    "POST /v1/auth/totp/activate",
    "POST /v1/auth/totp/disable",
    "POST /v1/portal",
  ].includes(name);

/** What is not said here of any of these operations; empty when everything is. */
export function listMissing(operations: readonly Operation[], owner: Tenant): string[] {
  const asks = (operation: Operation) => {
    if (isOpen(operation)) return openingOf(operation);
    scopeOf(operation);
    if (operation.pathNames.length > 0) thingsOf(operation);
    return referencesOf(operation, owner);
  };
  return operations.flatMap((operation) => {
    try {
      asks(operation);
      return [];
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)];
    }
  });
}

type Open = {
  path?: (owner: Tenant) => string;
  form?: Record<string, string>;
  status: number;
};

/** Operations that ask for no key: what they answer to everybody. */
const open: Record<string, Open> = {
  "GET /": { status: 200 },
  "GET /auth/reset-password": { status: 200 },
  "GET /auth/verify-email": { status: 200 },
  "GET /callbacks/{provider}": { path: () => "/callbacks/sandbox", status: 404 },
  "GET /docs": { status: 200 },
  "GET /docs/{file}": { path: () => "/docs/start.js", status: 200 },
  "GET /health": { status: 200 },
  "GET /livez": { status: 200 },
  // Asks for a token of its own.
  "GET /metrics": { status: 403 },
  "GET /openapi.json": { status: 200 },
  // Whoever knows a reference may pay for it, and sees what is paid for.
  "GET /pay/{reference}": { path: ({ reference }) => `/pay/${reference}`, status: 303 },
  "GET /pay/{reference}/done": { path: ({ reference }) => `/pay/${reference}/done`, status: 200 },
  "GET /readyz": { status: 200 },
  "GET /sandbox/{page}/{document}": {
    path: ({ ids }) => `/sandbox/pay/${ids.payment}`,
    status: 404,
  },
  // What vendors show is for everybody: see portfolios.test.ts.
  "GET /v1/vendors/{id}": { path: () => `/v1/vendors/${randomUUID()}`, status: 404 },
  "GET /v1/vendors/{id}/portfolio": {
    ...{ path: () => `/v1/vendors/${randomUUID()}/portfolio`, status: 404 },
  },
  "GET /v1/admin/queues/enter": { status: 401 },
  "GET /v1/config": { status: 200 },
  "GET /v1/files/{key}": { path: ({ file }) => file, status: 404 },
  "POST /auth/reset-password": {
    ...{ form: { token: "no-token", password }, status: 410 },
  },
  "POST /auth/verify-email": { form: { token: "no-token" }, status: 410 },
  "POST /sandbox/{page}/{document}": {
    ...{ path: ({ ids }) => `/sandbox/pay/${ids.payment}`, form: {}, status: 404 },
  },
  "POST /v1/auth/forgot-password": { status: 202 },
  "POST /v1/auth/login": { status: 401 },
  "POST /v1/auth/otp/send": { status: 202 },
  "POST /v1/auth/otp/verify": { status: 401 },
  "POST /v1/auth/refresh": { status: 401 },
  "POST /v1/auth/register": { status: 202 },
  "POST /v1/auth/resend-verification": { status: 202 },
  "POST /v1/auth/reset-password": { status: 409 },
  "POST /v1/auth/totp/verify": { status: 401 },
  "POST /v1/auth/verify-email": { status: 409 },
  "POST /webhooks/{provider}": { path: () => "/webhooks/sandbox", status: 400 },
};

export function openingOf({ name, path }: Operation) {
  const entry = open[name];
  if (!entry) throw new Error(`Say in matrix-entries.ts, open, what ${name} answers to everybody.`);
  return { path: () => path, ...entry };
}

/** It asks for no account's key: anybody's, or one of its own. */
export const isOpen = (operation: Operation): boolean =>
  operation.isPublic || operation.name === "GET /metrics";
