import { randomUUID } from "node:crypto";
import type { Caller } from "./callers.ts";
import {
  bodyOf,
  endsCaller,
  isErasing,
  isForAdmins,
  isLate,
  isOpen,
  isServers,
  openingOf,
  referencesOf,
  scopeOf,
  successOf,
  takeOwn,
  thingsOf,
} from "./matrix-entries.ts";
import type { Operation } from "./operations.ts";
import { makeForm, makePhoto } from "./pictures.ts";
import type { Call } from "./stage.ts";
import type { Tenant } from "./tenant.ts";

/** Where something of the owner's is put. */
type Place =
  | { in: "nowhere" | "path" | "key" | "account" | "no account" }
  | { in: "query" | "cursor" | "body"; name: string }
  | { in: "reference"; status: number };

/** One operation, asked by one caller in one way. */
export type Cell = {
  operation: Operation;
  caller: Caller;
  place: Place;
  path: string;
  /** What is in the path's braces. */
  id?: string;
  call: Call;
};

const photo = makePhoto(48, 32);

/** Names by which somebody might say that they are somebody else. */
const claims = ["account_id", "accountId", "account", "login_id", "user_id", "role", "id"];

function claimsOf(operation: Operation): string[] {
  const body = bodyOf(operation);
  return body ? claims.filter((name) => !(name in body)) : [];
}

/** Everything that may be asked of one operation by one caller; the plain way comes first. */
export async function listCells(
  operation: Operation,
  caller: Caller,
  owner: Tenant,
): Promise<Cell[]> {
  if (isOpen(operation)) {
    const { path, form } = openingOf(operation);
    const raw = form && { raw: new URLSearchParams(form) };
    const call = { ...(await makeCall(operation, caller)), ...raw };
    return [{ operation, caller, place: { in: "nowhere" }, path: path(owner), call }];
  }
  const cells = await listKeyedCells(operation, caller, owner);
  if (!isLikeThem({ operation, caller })) return cells;
  return cells.filter(({ place }) => place.in !== "query");
}

/** Whom it ends is not asked again: somebody like them is. */
const isLikeThem = ({ operation, caller }: Pick<Cell, "operation" | "caller">) =>
  caller.again !== undefined && endsCaller(operation);

/** The same, by somebody new where it ends its caller. */
export async function renewCaller(cell: Cell): Promise<Cell> {
  const { caller, call } = cell;
  if (!isLikeThem(cell) || !caller.again) return cell;
  const other = await caller.again();
  const named = call.account === caller.accountId && { account: other.accountId };
  return { ...cell, caller: other, call: { ...call, bearer: other.bearer, ...named } };
}

/**
 * The plain way of each operation and one in `every` of the hostile ones: others for the next
 * caller (`turn`), so that `every` callers in a row ask for all of them; and what few can ask.
 */
export function sampleCells(cells: Cell[], every: number, turn: number): Cell[] {
  const seen = new Map<Operation, number>();
  return cells.filter(({ operation, place }) => {
    const nth = seen.get(operation) ?? 0;
    seen.set(operation, nth + 1);
    const isRare = place.in === "no account" || (place.in === "query" && endsCaller(operation));
    return nth === 0 || isRare || (nth + turn) % every === 0;
  });
}

async function listKeyedCells(
  operation: Operation,
  caller: Caller,
  owner: Tenant,
): Promise<Cell[]> {
  const call = await makeCall(operation, caller);
  const ids = await listIds(operation, caller, owner);
  const [id] = ids;
  const at = (one: string | undefined) => placeIds(operation, owner, one ?? "");
  const make = (place: Place, more: Call = {}, query = ""): Cell => {
    const key = operation.readsKey && { key: randomUUID() };
    const body = call.body !== undefined && { body: bodyOf(operation) };
    const path = query ? `${at(id)}?${query}` : at(id);
    const sent = { ...call, ...key, ...body, ...more };
    return { operation, caller, place, path, call: sent, ...(id !== undefined && { id }) };
  };
  const first = make({ in: id === undefined ? "nowhere" : "path" });
  if (caller.is === "owner") return [first];
  return [
    first,
    ...ids.slice(1).map((one) => ({ ...make({ in: "path" }), path: at(one) })),
    ...["account", "account_id"].map((name) =>
      make({ in: "query", name }, {}, `${name}=${owner.accountId}`),
    ),
    ...(operation.queryNames.includes("cursor") ? Object.entries(owner.cursors) : []).map(
      ([name, cursor]) => make({ in: "cursor", name }, {}, `cursor=${cursor}`),
    ),
    ...claimsOf(operation).map((name) => {
      const body = { ...bodyOf(operation), [name]: owner.accountId };
      return make({ in: "body", name }, { body });
    }),
    ...referencesOf(operation, owner).map(({ body, status }) =>
      make({ in: "reference", status }, { body }),
    ),
    ...(operation.readsKey ? [make({ in: "key" }, { key: usedKeyOf(operation, owner) })] : []),
    ...listHeaders(operation, caller, owner).map(([place, account]) =>
      make({ in: place }, { account }),
    ),
  ];
}

/** The path with `id` in it; a thing of that thing, `{x_id}` behind it, is the owner's. */
function placeIds({ path, pathNames: [first] }: Operation, { ids }: Tenant, id: string): string {
  return path.replace(/\{(\w+?)(_id)?\}/g, (_, name: string, suffix = "") =>
    name + suffix === first ? id : (Object.entries(ids).find(([kind]) => kind === name)?.[1] ?? id),
  );
}

/** Batches share the keys of generations: what one has used is a conflict for the other. */
const usedKeyOf = ({ name }: Operation, { usedKey, usedBatchKey }: Tenant): string =>
  name === "POST /v1/generations/batch" ? usedBatchKey : usedKey;

function listHeaders(
  operation: Operation,
  caller: Caller,
  owner: Tenant,
): ["account" | "no account", string | undefined][] {
  if (!isNaming(caller, operation)) {
    return [
      ["account", owner.accountId],
      ["account", owner.externalId],
    ];
  }
  return operation.needsAccount ? [["no account", undefined]] : [];
}

/** Those that fit first, then some that don't. */
async function listIds(operation: Operation, caller: Caller, owner: Tenant): Promise<string[]> {
  if (operation.pathNames.length === 0) return [];
  // Whoever may do it to everybody does it to nobody here.
  if (isForAnybody(operation) && mayDo(caller, operation)) return [randomUUID()];
  if (caller.is === "owner") return [await takeOwn(operation, owner)];
  const others = ["account", "item", "upload", "login"] as const;
  return [...new Set([...thingsOf(operation), ...others])].map((kind) => owner.ids[kind]);
}

async function makeCall(operation: Operation, caller: Caller): Promise<Call> {
  const { method, bodyType, readsAccount } = operation;
  const scope = isOpen(operation) ? undefined : scopeOf(operation);
  const weak = scope && scope !== "session" ? caller.lacking?.[scope] : undefined;
  const body = bodyOf(operation);
  return {
    method,
    bearer: weak ?? caller.bearer,
    ...(isNaming(caller, operation) && readsAccount && { account: caller.accountId }),
    ...(body && { body }),
    ...(bodyType === "multipart/form-data" && makeForm([{ bytes: await photo }])),
    ...(bodyType === "*/*" && { raw: "{}" }),
  };
}

/** It is the header that says which account is meant; admins are named nobody by themselves. */
const isNaming = (caller: Caller, { path, readsAccount }: Operation): boolean =>
  caller.names === true || (readsAccount && path.startsWith("/v1/admin/"));

/** The server and support may do it to any account. */
const isForAnybody = (operation: Operation): boolean =>
  !operation.readsAccount && ["admin", "accounts"].includes(scopeOf(operation));

const isReading = ({ method }: Operation) => ["GET", "HEAD"].includes(method);

function mayDo(caller: Caller, operation: Operation): boolean {
  if (caller.refused) return false;
  const scope = scopeOf(operation);
  if (isServers(operation) && !caller.names) return false;
  if (scope === "session") return caller.isSession === true;
  if (isErasing(operation) && (caller.isSession || caller.isExternal)) return true;
  const isShown = isReading(operation) && !isForAdmins(operation);
  if (scope === "admin" && caller.isSupport && !isShown) return false;
  return caller.scopes.includes(scope);
}

/** The rules: who is told what. */
export function expectStatus({ operation, caller, place }: Cell): number {
  if (isOpen(operation)) return openingOf(operation).status;
  if (caller.refused) return caller.refused;
  if (!mayDo(caller, operation)) return 403;
  const isSpending =
    !isReading(operation) && !isErasing(operation) && scopeOf(operation) !== "session";
  if (caller.isUnverified && isSpending) return 403;
  if (place.in === "no account") return 400;
  if (place.in === "body") return 422;
  const isStrict = operation.queryNames.length > 0;
  if (place.in === "query" && isStrict && !operation.queryNames.includes(place.name)) return 422;
  if (
    place.in === "cursor" &&
    place.name !== operation.path &&
    !isSameList(place.name, operation)
  ) {
    return 422;
  }
  if (place.in === "reference") return place.status;
  const isForeign = caller.is === "other" || isForAnybody(operation);
  if (operation.pathNames.length > 0 && isForeign) return 404;
  return successOf(operation, caller);
}

/** Support's list of payments turns its pages as an account's does; no other list of theirs. */
const isSameList = (path: string, operation: Operation) =>
  path === "/v1/payments" && operation.path === "/v1/admin/payments";

/** The owner's secrets in an answer to somebody whom they are not for. */
export function findLeaks({ operation, caller }: Cell, answer: string, owner: Tenant): string[] {
  if (caller.is === "owner") return [];
  // They are shown everybody's.
  if (!isOpen(operation) && isForAnybody(operation) && mayDo(caller, operation)) return [];
  return owner.secrets.filter((secret) => answer.includes(secret));
}

/** The owner reads the one thing that they name. */
export const showsThing = ({ operation, caller, id }: Cell): boolean =>
  caller.is === "owner" &&
  id !== undefined &&
  operation.method === "GET" &&
  mayDo(caller, operation) &&
  !isForAnybody(operation) &&
  // All of its rows were good, or it had none: that is an empty list.
  operation.name !== "GET /v1/generations/{id}/errors" &&
  // Secrets and nothing else.
  operation.name !== "GET /v1/webhook-endpoints/{id}/secret";

export const nameCell = (cell: Cell): string => `${cell.caller.name}, ${nameWay(cell)}`;

/** What is asked in which way, whoever asks. */
export const nameWay = ({ operation, place }: Cell): string =>
  `${operation.name}, ${Object.values(place).join(" ")}`;

/** They have to wait for each other. */
export const isAfterOthers = ({ operation }: Cell): boolean =>
  endsCaller(operation) || isLate(operation);

/** Asks `most` at a time. */
export async function askAll<T>(
  cells: readonly Cell[],
  most: number,
  ask: (cell: Cell) => Promise<T>,
): Promise<T[]> {
  const answers: T[] = [];
  const waiting = cells.entries();
  const work = async () => {
    for (const [index, cell] of waiting) answers[index] = await ask(cell);
  };
  await Promise.all(Array.from({ length: most }, work));
  return answers;
}
