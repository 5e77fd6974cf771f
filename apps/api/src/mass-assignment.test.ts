import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listChanges, readChecksums } from "../test/checksums.ts";
import { bodyOf } from "../test/matrix-entries.ts";
import { listOperations, type Operation } from "../test/operations.ts";
import { rootKey, type Stage, setStage } from "../test/stage.ts";
import { makeSession } from "../test/tenant.ts";

/** A refusal names at most so many faults. */
const atOnce = 20;

type Target = { operation: Operation; body: Record<string, unknown>; at: string[] };

describe("a column of the database in a body", () => {
  let stage: Stage;
  let account: string;
  let session: string;
  let columns: string[];
  let targets: Target[];
  beforeAll(async () => {
    stage = await setStage();
    account = await stage.makeAccount(100);
    session = (await makeSession(stage, account)).access;
    const rows = await stage.db.admin<{ name: string }[]>`
      SELECT DISTINCT attname AS name FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
      WHERE c.relnamespace = 'ducat'::regnamespace AND c.relkind IN ('r', 'p', 'v')
        AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1`;
    columns = rows.map(({ name }) => name);
    targets = (await listOperations(stage)).flatMap(listTargets);
  });
  afterAll(() => stage.close());

  /** Asked by somebody who may do it, so that nothing but the body is refused. */
  const ask = ({ method, path, readsKey, readsAccount }: Operation, text: string) =>
    stage.call(path.replace(/\{\w+\}/g, randomUUID()), {
      ...{ method, raw: text, headers: { "content-type": "application/json" } },
      bearer: path.startsWith("/v1/auth") ? session : rootKey,
      ...(readsKey && { key: randomUUID() }),
      ...(readsAccount && { account }),
    });

  it("is refused by its name wherever it isn't part of the contract, and changes no row", async () => {
    expect([columns.length > 250, targets.length > 30]).toEqual([true, true]);
    const before = await readChecksums(stage.db.admin);
    const accepted: string[] = [];
    let offered = 0;
    for (const { operation, body, at } of targets) {
      const known = operation.members[at.join("/")] ?? [];
      const foreign = columns.filter((column) => !known.includes(column));
      offered += foreign.length;
      for (let from = 0; from < foreign.length; from += atOnce) {
        const some = foreign.slice(from, from + atOnce);
        const answer = await ask(operation, JSON.stringify(addAt(body, at, some)));
        const named = (answer.body?.errors ?? []).map(
          ({ pointer }: { pointer: string }) => pointer,
        );
        const missed = some.filter((column) => !named.includes(`/${[...at, column].join("/")}`));
        if (answer.status !== 422 || missed.length > 0) {
          accepted.push(`${operation.name} /${at.join("/")}: ${answer.status}, ${missed}`);
        }
      }
    }
    console.log(`${offered} columns offered in ${targets.length} places`);
    expect(accepted).toEqual([]);
    expect(listChanges(before, await readChecksums(stage.db.admin))).toEqual([]);
  });

  it("leads nowhere as __proto__ or constructor either", async () => {
    const before = await readChecksums(stage.db.admin);
    for (const { operation, body } of targets.filter((one) => one.at.length === 0)) {
      for (const name of ["__proto__", "constructor", "prototype"]) {
        const text = JSON.stringify(body).replace("{", `{"${name}":{"is_active":false},`);
        const { status } = await ask(operation, text);
        expect([operation.name, name, Math.floor(status / 100)]).toEqual([operation.name, name, 4]);
      }
    }
    expect(listChanges(before, await readChecksums(stage.db.admin))).toEqual([]);
    expect(Object.prototype).not.toHaveProperty("is_active");
  });
});

/** Each object of a body that is not the caller's own to fill, by the way to it. */
function listTargets(operation: Operation): Target[] {
  const body = bodyOf(operation);
  if (!body) return [];
  return Object.keys(operation.members).map((way) => {
    const at = way === "" ? [] : way.split("/");
    return { operation, body, at };
  });
}

function addAt(value: unknown, [key, ...rest]: string[], names: string[]): object {
  if (key === undefined) {
    return { ...(value as object), ...Object.fromEntries(names.map((name) => [name, 1])) };
  }
  const copy: Record<string, unknown> = Array.isArray(value)
    ? ([...value] as never)
    : { ...(value as object) };
  copy[key] = addAt(copy[key], rest, names);
  return copy;
}
