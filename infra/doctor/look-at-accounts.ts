import { type AccountRange, allAccounts } from "../../packages/db/src/invariants.ts";
import { findRange, nextId } from "./account-range.ts";
import {
  type AccountCheck,
  type Finding,
  isTimeout,
  most,
  type Row,
  type Skipped,
  type Snapshot,
} from "./check.ts";

const usualSize = 200;
const mostAccounts = 5_000;
/** What a chunk should take: a snapshot that lives long holds up the vacuum of a busy database. */
const shortMs = 500;
const longMs = 2_000;
const statementMs = 30_000;

export type AccountDeps = {
  snapshot: Snapshot;
  checks: AccountCheck[];
  /** Looks at the files of a range; left out where they are not looked at. */
  lookAtFiles?: ((range: AccountRange) => Promise<Finding>) | undefined;
  /** What is left of the time, in milliseconds; 0 when it is over. */
  remainingMs(): number;
  now(): number;
  /** How many accounts are looked at first; then it follows from how long they took. */
  firstSize?: number | undefined;
};

export type AccountsSeen = {
  findings: Finding[];
  skipped: Skipped[];
  accounts: number;
  isDone: boolean;
  /** The last account that was looked at; null when none was. */
  goOnAfter: string | null;
};

/**
 * Looks at all accounts after an id (null: at all), or at one, some at a time: as many as take
 * about a second. What takes too long is tried again with fewer; a single account that does is left
 * out and said so.
 */
export async function lookAtAccounts(
  deps: AccountDeps,
  { after, only }: { after: string | null; only?: string | undefined },
): Promise<AccountsSeen> {
  const seen: AccountsSeen = {
    ...{ findings: [], skipped: [], accounts: 0 },
    ...{ isDone: false, goOnAfter: after },
  };
  let size = deps.firstSize ?? usualSize;
  let from = only ?? (after === null ? allAccounts.from : nextId(after));
  while (from !== undefined) {
    if (deps.remainingMs() === 0) return seen;
    const started = deps.now();
    const chunk = await lookAtChunk(deps, { from, size, only });
    const tookMs = deps.now() - started;
    if (!chunk.findings) {
      // The time of all of it may have ended it, not its own.
      if (deps.remainingMs() === 0) return seen;
      size = Math.max(1, Math.floor(size / 4));
      if (chunk.count > 1) continue;
      seen.skipped.push({ check: "accounts", reason: `${chunk.last} takes too long to look at` });
    }
    merge(seen.findings, chunk.findings ?? []);
    seen.accounts += chunk.count;
    seen.goOnAfter = chunk.to;
    from = only ? undefined : nextId(chunk.to);
    if (chunk.findings && tookMs < shortMs) size = Math.min(size * 2, mostAccounts);
    if (tookMs > longMs) size = Math.max(1, Math.floor(size / 2));
  }
  return { ...seen, isDone: true };
}

type Wish = { from: string; size: number; only: string | undefined };
type Chunk = {
  to: string;
  count: number;
  /** The last account of it, as a person would name it. */
  last: string;
  findings?: Finding[];
};

/** One chunk, all of its checks at one moment; without findings when it took too long. */
async function lookAtChunk(deps: AccountDeps, { from, size, only }: Wish): Promise<Chunk> {
  const limitMs = Math.max(1, Math.min(statementMs, deps.remainingMs()));
  const range = only
    ? { from, to: only, count: 1, last: only }
    : await deps.snapshot(limitMs, (tx) => findRange(tx, from, size));
  const { to, count, last } = range;
  try {
    const findings = await deps.snapshot(limitMs, async (tx) => {
      const found: Finding[] = [];
      for (const { id, title, violations } of deps.checks) {
        const rows = await tx.unsafe<Row[]>(violations, [from, to]);
        if (rows.length > 0) found.push({ check: id, title, rows: [...rows] });
      }
      return found;
    });
    const files = await deps.lookAtFiles?.(range);
    if (files && files.rows.length > 0) findings.push(files);
    return { to, count, last, findings };
  } catch (error) {
    if (isTimeout(error)) return { to, count, last };
    throw error;
  }
}

/** One finding a rule, with its first rows, however many chunks break it. */
export function merge(findings: Finding[], more: Finding[]): void {
  for (const { check, title, rows } of more) {
    const known = findings.find((one) => one.check === check && one.title === title);
    if (known) known.rows = [...known.rows, ...rows].slice(0, most);
    else findings.push({ check, title, rows: rows.slice(0, most) });
  }
}
