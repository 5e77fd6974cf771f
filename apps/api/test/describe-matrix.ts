import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Caller, makeCallers } from "./callers.ts";
import { type CheckAnswer, createAnswerCheck } from "./check-answer.ts";
import { type Checksums, listChanges, readChecksums } from "./checksums.ts";
import { findSecrets } from "./find-secrets.ts";
import { type Issuer, startIssuer } from "./issuer.ts";
import {
  askAll,
  type Cell,
  expectStatus,
  findLeaks,
  isAfterOthers,
  listCells,
  nameCell,
  nameWay,
  renewCaller,
  sampleCells,
  showsThing,
} from "./matrix.ts";
import { isErasing, isOpen, listMissing } from "./matrix-entries.ts";
import { listOperations, type Operation } from "./operations.ts";
import { type Stage, setStage } from "./stage.ts";
import { makeTenant, type Tenant } from "./tenant.ts";
import { trustIssuers } from "./trust-issuers.ts";

/** As many there were when they were last counted; who adds routes or callers writes more. */
const leastCells = 84_700;

/**
 * Who asks for what and in which way, on everything that is served: the plain way of each operation
 * by each caller, and one in `every` of the hostile ones.
 */
export function describeMatrix({ every }: { every: number }): void {
  let stage: Stage;
  let check: CheckAnswer;
  let issuer: Issuer;
  let operations: Operation[];
  let counted = 0;
  const ways = new Set<string>();
  const asked = new Set<string>();

  beforeAll(async () => {
    issuer = await startIssuer();
    stage = await setStage({ deps: { externalIssuers: trustIssuers([issuer]) } });
    await stage.deps.cache.ready();
    operations = await listOperations(stage);
    check = createAnswerCheck((await stage.call("/openapi.json", { bearer: null })).body);
  });
  afterAll(async () => {
    await stage.close();
    await issuer.close();
  });

  describe.each(["user", "vendor"] as const)("what is a %s's", (kind) => {
    let owner: Tenant;
    let callers: Caller[];
    beforeAll(async () => {
      owner = await makeTenant(stage, kind, `canary-${kind}-7f3a9c`);
      callers = await makeCallers(stage, owner, issuer);
    });
    const listAll = async (some: Operation[], caller: Caller) =>
      (await Promise.all(some.map((one) => listCells(one, caller, owner)))).flat();

    it("is looked for by every operation that is served", () => {
      expect(listMissing(operations, owner)).toEqual([]);
    });

    it("is shown to nobody else and changed by nobody else, whatever they ask for it", async () => {
      const faults: string[] = [];
      // Who is refused as nobody is refused before anybody asks whose it is: once is enough.
      const all = callers.filter((one) => kind === "user" || !one.refused);
      for (const [turn, caller] of all.entries()) {
        const keyed = operations.filter((one) => !isOpen(one));
        const cells = await listAll(keyed, caller);
        const some = sampleCells(cells, every, turn);
        counted += cells.length;
        if (!caller.refused) {
          for (const cell of cells) ways.add(nameWay(cell));
          for (const cell of some) asked.add(nameWay(cell));
        }
        faults.push(
          ...(await judge({ stage, check }, await Promise.all(some.map(renewCaller)), owner)),
        );
      }
      expect(faults).toEqual([]);
    }, 300_000);

    it("is not opened by what this left behind: no credential is in clear anywhere", async () => {
      const used = callers.flatMap(({ name, bearer, lacking = {} }) => [
        [name, bearer ?? ""],
        ...Object.entries(lacking).map(([scope, one]) => [`${name} ${scope}`, one]),
      ]);
      const secrets = used.filter(([, bearer = ""]) => bearer.length > 20);
      expect(secrets.length).toBeGreaterThan(30);
      expect(await findSecrets(stage, Object.fromEntries(secrets))).toEqual([]);
    });

    it("is not told by what is open to everybody, either", async () => {
      const open = operations.filter(isOpen);
      const cells = (await Promise.all(callers.map((one) => listAll(open, one)))).flat();
      counted += cells.length;
      expect(await judge({ stage, check }, cells, owner)).toEqual([]);
    });
  });

  describe("the matrix", () => {
    it("has as many cells as ever, or more", () => {
      const keyed = operations.filter((one) => !isOpen(one)).length;
      console.log(
        `${counted} cells of ${operations.length} operations, ${keyed} of them with a key`,
      );
      expect(counted).toBeGreaterThanOrEqual(leastCells);
    });

    it("leaves no way to ask untried", () => {
      expect([...ways].filter((way) => !asked.has(way))).toEqual([]);
    });
  });
}

type Court = { stage: Stage; check: CheckAnswer };

/** What was told, answered or changed that should not have been. */
async function judge(court: Court, cells: Cell[], owner: Tenant): Promise<string[]> {
  const { stage } = court;
  const before = await readChecksums(stage.db.admin);
  const first = cells.filter((cell) => !isAfterOthers(cell));
  const faults = [
    ...(await askAll(first, 8, (cell) => judgeCell(court, cell, owner))),
    ...(await askAll(cells.filter(isAfterOthers), 1, (cell) => judgeCell(court, cell, owner))),
  ].flat();
  const changes = listChanges(before, await readChecksums(stage.db.admin));
  const wrong = changes.filter((at) => !mayChange(cells, at, before));
  return [...faults, ...wrong.map((at) => `${cells[0]?.caller.name} changed ${at}`)];
}

async function judgeCell({ stage, check }: Court, cell: Cell, owner: Tenant): Promise<string[]> {
  const answer = await limit(cell, stage.call(cell.path, cell.call));
  const { status, headers, text } = answer;
  const expected = expectStatus(cell);
  const all = `${text}${JSON.stringify([...headers])}`;
  const marks = ["set-cookie", "idempotent-replayed"].filter((name) => headers.has(name));
  return [
    ...(status === expected ? [] : [`${status}, not ${expected}: ${text.slice(0, 300)}`]),
    ...findLeaks(cell, all, owner).map((word) => `tells ${word}`),
    ...marks.map((name) => `has ${name}`),
    // Or the others' 404s would say nothing about the ids. A receipt has the order's reference.
    ...(showsThing(cell) && ![cell.id ?? "", owner.reference].some((word) => text.includes(word))
      ? ["doesn't show it"]
      : []),
    ...check(cell.operation, answer),
  ].map((fault) => `${nameCell(cell)}: ${fault}`);
}

/** A request that never ends is told by its name. */
function limit<T>(cell: Cell, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${nameCell(cell)}: no answer`)), 60_000);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

const nobody = "00000000-0000-0000-0000-000000000000";

/**
 * What people may do before they have proven who they are: about their logins, and to read what is
 * made when it is first read.
 */
const ofAnybody = /^(sessions|session_tokens|login_changes|webhook_secrets)$/;

/** Whose rows may be others then: the callers' own, new ones, and those of nobody in particular. */
function mayChange(cells: Cell[], at: string, before: Checksums): boolean {
  const [table = "", tenant = ""] = at.split(" ");
  const able = cells.filter((cell) => isOpen(cell.operation) || cell.caller.scopes.length > 0);
  if (able.length === 0) return false;
  if (["everybody", nobody].includes(tenant)) return true;
  const own = able.find(
    ({ operation, caller: { accountId, loginId } }) =>
      !isOpen(operation) && [accountId, loginId].includes(tenant),
  );
  if (own) return !own.caller.isUnverified || isErasing(own.operation) || ofAnybody.test(table);
  return ![...before.keys()].some((known) => known.endsWith(` ${tenant}`));
}
