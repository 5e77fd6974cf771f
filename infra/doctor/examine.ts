import { type AccountRange, invariants } from "../../packages/db/src/invariants.ts";
import type { Blobs } from "../../packages/storage/src/blobs.ts";
import { accountChecks } from "./account-checks.ts";
import { catalogChecks } from "./catalog-checks.ts";
import {
  type AccountCheck,
  explain,
  type Finding,
  type PlaceCheck,
  type Reader,
  type Skipped,
  type Snapshot,
} from "./check.ts";
import {
  type FileDeps,
  findMissingFiles,
  findStrayFiles,
  missingFiles,
  strayFiles,
} from "./file-checks.ts";
import { type AccountsSeen, lookAtAccounts, merge } from "./look-at-accounts.ts";
import { rightsChecks } from "./rights-checks.ts";
import { rollupChecks } from "./rollup-checks.ts";
import { createSchemaChecks } from "./schema-checks.ts";
import { stuckChecks } from "./stuck-checks.ts";

const statementMs = 60_000;

export type Examination = {
  snapshot: Snapshot;
  role: Reader["role"];
  blobs: Blobs;
  readExpectedSchema(): Promise<string>;
  /** Of which checks; left out: of all. */
  only?: string[] | undefined;
  /** Of one account, and of nothing else. */
  account?: string | undefined;
  /** Accounts after this one. */
  after?: string | undefined;
  /** Reads every file whole. */
  deep: boolean;
  limitMs: number;
  now(): number;
  /** How many accounts are looked at first at once. */
  firstSize?: number | undefined;
};

export type Report = {
  /** Everything was looked at, and nothing is wrong. */
  ok: boolean;
  findings: Finding[];
  skipped: Skipped[];
  /** How many accounts were looked at. */
  accounts: number;
  seconds: number;
};

type Run = Examination & { report: Report; remainingMs(): number };

const allAccountChecks: AccountCheck[] = [...invariants, ...accountChecks];

/** Every id that a finding can have. */
export const checkIds: string[] = [
  ...new Set([
    ...allAccountChecks.map(({ id }) => id),
    ...listPlaceChecks(async () => "").map(({ check }) => check),
    missingFiles.check,
  ]),
];

function listPlaceChecks(readExpected: () => Promise<string>): PlaceCheck[] {
  const schema = createSchemaChecks(readExpected);
  return [...schema, ...rightsChecks, ...stuckChecks, ...catalogChecks, ...rollupChecks];
}

/**
 * Looks at everything, what is quick first, for `limitMs` at most, and says what is wrong and what
 * it could not look at. Reads only.
 */
export async function examine(examination: Examination): Promise<Report> {
  const began = examination.now();
  const report: Report = { ok: false, findings: [], skipped: [], accounts: 0, seconds: 0 };
  const run: Run = {
    ...examination,
    report,
    remainingMs: () => Math.max(0, examination.limitMs - (examination.now() - began)),
  };
  if (!run.account) await lookAtPlace(run);
  await lookAtBook(run);
  if (isAsked(run, missingFiles.check)) await lookAtFiles(run);
  report.seconds = Math.round((examination.now() - began) / 100) / 10;
  report.ok = report.findings.length + report.skipped.length === 0;
  return report;
}

const isAsked = ({ only }: Run, check: string) => only === undefined || only.includes(check);
const noRight = (needs: "owner" | undefined, { role }: Run) =>
  needs === "owner" && role !== "ducat_owner";

async function lookAtPlace(run: Run): Promise<void> {
  for (const place of listPlaceChecks(run.readExpectedSchema)) {
    if (!isAsked(run, place.check)) continue;
    const { check, title } = place;
    await trying(run, check, async () => {
      const rows = await run.snapshot(stepMs(run), (tx) => place.find(tx));
      if (rows.length > 0) merge(run.report.findings, [{ check, title, rows: [...rows] }]);
    });
  }
}

async function lookAtBook(run: Run): Promise<void> {
  const asked = allAccountChecks.filter(({ id }) => isAsked(run, id));
  for (const { id, needs } of asked.filter(({ needs }) => noRight(needs, run))) {
    run.report.skipped.push({ check: id, reason: `only a login with ducat_${needs} sees it` });
  }
  const checks = asked.filter(({ needs }) => !noRight(needs, run));
  if (checks.length === 0) return;
  await trying(run, "accounts", async () => {
    const seen = await lookAtAccounts({ ...run, checks }, readWish(run));
    run.report.accounts = seen.accounts;
    note(run, "accounts", seen);
  });
}

async function lookAtFiles(run: Run): Promise<void> {
  const deps: FileDeps = { ...run, stepMs: () => stepMs(run) };
  const check = missingFiles.check;
  await trying(run, check, async () => {
    const look = (range: AccountRange) => findMissingFiles(deps, range);
    const seen = await lookAtAccounts({ ...run, checks: [], lookAtFiles: look }, readWish(run));
    note(run, `${check} (files)`, seen);
  });
  // What is stored is listed as a whole: of one account there is no list.
  if (run.account) return;
  await trying(run, strayFiles.check, async () => {
    const finding = await findStrayFiles(deps, run.now());
    if (finding.rows.length > 0) merge(run.report.findings, [finding]);
  });
}

const readWish = ({ after, account }: Run) => ({ after: after ?? null, only: account });

function note({ report }: Run, check: string, seen: AccountsSeen): void {
  merge(report.findings, seen.findings);
  report.skipped.push(...seen.skipped);
  if (!seen.isDone) {
    const where = seen.goOnAfter === null ? "" : `; go on with --after ${seen.goOnAfter}`;
    report.skipped.push({ check, reason: `the time was over${where}` });
  }
}

/** What goes wrong with one check is no reason to leave the others out. */
async function trying(run: Run, check: string, look: () => Promise<void>): Promise<void> {
  try {
    await look();
  } catch (error) {
    run.report.skipped.push({ check, reason: explain(error) });
  }
}

/** How long the next step may take. Throws, as a statement that took too long, at the end. */
function stepMs(run: Run): number {
  const leftMs = run.remainingMs();
  if (leftMs === 0) throw Object.assign(new Error("the time was over"), { code: "57014" });
  return Math.min(leftMs, statementMs);
}
