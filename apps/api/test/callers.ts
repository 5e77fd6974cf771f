import { randomUUID } from "node:crypto";
import { createAccountTokens } from "../src/account-token.ts";
import { makeApiKey } from "../src/api-key.ts";
import { accountKeyScopes, accountScopes, type Scope, scopes } from "../src/scopes.ts";
import type { Issuer } from "./issuer.ts";
import { rootKey, type Stage } from "./stage.ts";
import { type AccountKind, makeSession, type Role, type Tenant } from "./tenant.ts";

/** Somebody who asks, and what they may do. */
export type Caller = {
  name: string;
  /** Whose things are asked for: their own, or another's. */
  is: "owner" | "other";
  /** null: no Authorization at all. */
  bearer: string | null;
  /** By a scope: the credential that has all the others. */
  lacking?: Partial<Record<Scope, string>>;
  /** The account that they are or, if it `names` one, that they say in Ducat-Account. */
  accountId?: string;
  names?: boolean;
  kind?: AccountKind;
  /** Empty for whoever may do nothing. */
  scopes: readonly Scope[];
  loginId?: string;
  isSession?: boolean;
  isExternal?: boolean;
  isUnverified?: boolean;
  isSupport?: boolean;
  /** The answer to whatever they ask. */
  refused?: 401 | 403;
  /** Somebody new who is like them. */
  again?: () => Promise<Caller>;
};

const sessionScopes: readonly Scope[] = [...accountKeyScopes, "keys"];
const plenty = 1_000_000;

/** Everybody there is. `owner` owns what is asked for; each of the others has an account too. */
export async function makeCallers(stage: Stage, owner: Tenant, issuer: Issuer): Promise<Caller[]> {
  return [
    ...(await makeRefused(stage)),
    ...(await makeServers(stage)),
    ...(await makeOwners(stage, owner)),
    ...(await makeOthers(stage)),
    await makeExternal(stage, issuer, true),
    await makeExternal(stage, issuer, false),
  ];
}

/** Credentials that never worked, or don't any more. */
async function makeRefused(stage: Stage): Promise<Caller[]> {
  const { admin } = stage.db;
  const account = () => makeRich(stage, "user");
  const keyOf = async () =>
    (await stage.call("/v1/api-keys", { body: { name: "a server", scopes } })).body;
  const [revoked, expired] = [await keyOf(), await keyOf()];
  await stage.call(`/v1/api-keys/${revoked.id}`, { method: "DELETE" });
  await admin`UPDATE ducat.api_keys SET expires_at = now() WHERE id = ${expired.id}`;
  const past = createAccountTokens({
    ...{ secrets: ["s".repeat(32)], mode: "test" },
    now: () => Date.now() - 1_000_000,
  });
  const token = past.make({ accountId: await account(), scopes: accountScopes, seconds: 900 });
  const sessionOf = async () => makeSession(stage, await account());
  const [ended, old] = [await sessionOf(), await sessionOf()];
  const [banned, working] = [await sessionOf(), await sessionOf()];
  await admin`UPDATE ducat.sessions SET ended_at = now() WHERE login_id = ${ended.loginId}`;
  await admin`
    UPDATE ducat.session_tokens SET access_expires_at = now()
    FROM ducat.sessions WHERE id = session_id AND login_id = ${old.loginId}`;
  await admin`UPDATE ducat.logins SET banned_at = now() WHERE id = ${banned.loginId}`;
  const bearers = {
    anonymous: null,
    garbage: "garbage",
    "a forged key": makeApiKey("test").text,
    "a key of the other mode": makeApiKey("live").text,
    "revoked key": revoked.key,
    "expired key": expired.key,
    "expired token": token.token,
    "ended session": ended.access,
    "expired session": old.access,
    "banned login's session": banned.access,
    "a refresh token": working.refresh,
  };
  const nobody = Object.entries(bearers).map(
    ([name, bearer]): Caller => ({ name, bearer, is: "other", scopes: [], refused: 401 }),
  );
  return [...nobody, ...(await makeDeactivated(stage))];
}

/** The credentials of an account that is not active any more. */
async function makeDeactivated(stage: Stage): Promise<Caller[]> {
  const account = await makeRich(stage, "user");
  const bearers = [
    ["key", await makeKey(stage, account), 403],
    ["session", (await makeSession(stage, account)).access, 401],
    ["token", makeToken(stage, account), 403],
  ] as const;
  await stage.call(`/v1/admin/accounts/${account}/deactivate`, { method: "POST" });
  return bearers.map(([name, bearer, refused]) => ({
    ...{ name: `deactivated account's ${name}`, bearer, is: "other", scopes: [], refused },
  }));
}

/** The product's own keys, which say for whom they act. */
async function makeServers(stage: Stage): Promise<Caller[]> {
  const keyOf = async (wanted: readonly Scope[]): Promise<string> => {
    const body = { name: "a server", scopes: wanted };
    return (await stage.call("/v1/api-keys", { body })).body.key;
  };
  const weak = scopes.map(async (scope) => [
    scope,
    await keyOf(scopes.filter((one) => one !== scope)),
  ]);
  const server = async (name: string, bearer: string): Promise<Caller> => ({
    ...{ name, is: "other", bearer, scopes, names: true, kind: "user" },
    accountId: await makeRich(stage, "user"),
    again: () => server(name, bearer),
  });
  const { again: _, ...poor } = await server(
    "product key without the scope",
    await keyOf(["styles"]),
  );
  return [
    await server("root key", rootKey),
    await server("product key with the scope", await keyOf(scopes)),
    { ...poor, scopes: [], lacking: Object.fromEntries(await Promise.all(weak)) },
  ];
}

/** Whoever acts for the owner. */
async function makeOwners(stage: Stage, owner: Tenant): Promise<Caller[]> {
  const { accountId, kind, session } = owner;
  const own = { is: "owner", accountId, kind } as const;
  const [server, key, token, person] = [
    { ...own, name: "the server, for the owner", bearer: rootKey, scopes, names: true },
    {
      ...{ ...own, name: "owner's key", bearer: await makeKey(stage, accountId) },
      scopes: accountKeyScopes,
    },
    { ...own, name: "owner's token", bearer: makeToken(stage, accountId), scopes: accountScopes },
    {
      ...{ ...own, name: "owner's session", bearer: session.access, scopes: sessionScopes },
      ...{ isSession: true, loginId: session.loginId },
    },
  ];
  const like = async (make: () => Promise<Caller>): Promise<Caller> => ({
    ...{ ...(await make()), is: "owner" },
  });
  const account = () => makeRich(stage, kind);
  return [
    { ...server, again: async () => ({ ...server, accountId: await account() }) },
    { ...key, again: () => like(() => makeKeyed(stage, kind)) },
    { ...token, again: () => like(() => makeTokened(stage, kind)) },
    { ...person, again: () => like(() => makePerson(stage, "owner's session", kind)) },
  ];
}

/** Other accounts, by each kind of credential. */
async function makeOthers(stage: Stage): Promise<Caller[]> {
  const person = (name: string, kind: AccountKind = "user", who: Who = {}) =>
    makePerson(stage, name, kind, who);
  return [
    await makeKeyed(stage, "user"),
    await makeKeyed(stage, "vendor"),
    await makeTokened(stage, "user"),
    await makeTokened(stage, "vendor"),
    await person("other user"),
    await person("other vendor", "vendor"),
    await person("support", "user", { role: "support" }),
    await person("admin", "user", { role: "admin" }),
    await person("unverified user", "user", { isVerified: false }),
    await person("unverified vendor", "vendor", { isVerified: false }),
    await person("unverified admin", "user", { role: "admin", isVerified: false }),
  ];
}

async function makeKeyed(stage: Stage, kind: AccountKind): Promise<Caller> {
  const accountId = await makeRich(stage, kind);
  const bearer = await makeKey(stage, accountId);
  return {
    ...{ name: `other ${kind}'s key`, is: "other", bearer, accountId, kind },
    scopes: accountKeyScopes,
    again: () => makeKeyed(stage, kind),
  };
}

async function makeTokened(stage: Stage, kind: AccountKind): Promise<Caller> {
  const accountId = await makeRich(stage, kind);
  const bearer = makeToken(stage, accountId);
  const name = `other ${kind}'s token`;
  return {
    ...{ name, is: "other", bearer, accountId, kind, scopes: accountScopes },
    again: () => makeTokened(stage, kind),
  };
}

type Who = { role?: Role; isVerified?: boolean };

async function makePerson(
  stage: Stage,
  name: string,
  kind: AccountKind,
  who: Who = {},
): Promise<Caller> {
  const accountId = await makeRich(stage, kind);
  const { access: bearer, loginId } = await makeSession(stage, accountId, who);
  const { role, isVerified = true } = who;
  const isSupport = role === "support";
  const office: readonly Scope[] = isSupport ? [...sessionScopes, "admin"] : sessionScopes;
  return {
    ...{ name, is: "other", bearer, accountId, kind, isSession: true, loginId },
    scopes: role === "admin" && isVerified ? scopes : office,
    ...{ isUnverified: !isVerified, isSupport },
    again: () => makePerson(stage, name, kind, who),
  };
}

/** Somebody who is signed in elsewhere. */
async function makeExternal(stage: Stage, issuer: Issuer, isVerified: boolean): Promise<Caller> {
  const sub = randomUUID();
  const claims = { email: `${sub}@x.example`, email_verified: isVerified };
  const auth_time = Math.floor(Date.now() / 1000);
  const bearer = await issuer.sign({ sub, ...claims, auth_time });
  await stage.call("/v1/credits/balance", { bearer });
  const [row] = await stage.db.admin<{ id: string }[]>`
    SELECT account_id AS id FROM ducat.external_identities WHERE subject = ${sub}`;
  const accountId = row?.id ?? "";
  await enrich(stage, accountId);
  return {
    ...{ is: "other", bearer, accountId, kind: "user", scopes: accountScopes },
    ...{ name: `signed in elsewhere${isVerified ? "" : ", unverified"}` },
    ...{ isExternal: true, isUnverified: !isVerified },
    again: () => makeExternal(stage, issuer, isVerified),
  };
}

async function makeRich(stage: Stage, kind: AccountKind): Promise<string> {
  const body = { external_id: `x-${randomUUID()}`, kind };
  const { id } = (await stage.call("/v1/accounts", { body })).body;
  await enrich(stage, id);
  return id;
}

const enrich = (stage: Stage, id: string) =>
  stage.call(`/v1/admin/accounts/${id}/credits`, {
    ...{ key: randomUUID(), body: { amount: plenty, reason: "for a test" } },
  });

async function makeKey(stage: Stage, account: string): Promise<string> {
  const body = { name: "its own", scopes: accountKeyScopes };
  return (await stage.call("/v1/api-keys", { body, account })).body.key;
}

const makeToken = ({ deps }: Stage, accountId: string): string =>
  deps.accountTokens.make({ accountId, scopes: accountScopes, seconds: 900 }).token;
