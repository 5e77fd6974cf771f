import type { Db } from "../../packages/db/src/connect.ts";
import type { Audit } from "../../packages/db/src/credits.ts";
import {
  type ImportOptions,
  type ImportOutcome,
  planImport,
  runImport,
  sumImport,
} from "../../packages/db/src/imports.ts";
import type { Former } from "./former.ts";
import { type Draft, readPeople } from "./read-people.ts";
import { addSums, type ImportReport, noteOutcome } from "./report.ts";
import type { Context, System } from "./system.ts";

export type PeopleDeps = { db: Db; audit: Audit; context: Context; isDryRun: boolean };

/** What one call of SQL is handed at most, beside the number of rows. */
const mostBytes = 4 * 1024 * 1024;

/**
 * Moves everybody in, a batch in a transaction of its own, and writes what became of them into the
 * report. Broken off anywhere, the next run goes on: who is in is only looked at.
 */
export async function importPeople(
  deps: PeopleDeps,
  { former, system, report }: { former: Former; system: System; report: ImportReport },
  { size }: { size: number },
): Promise<void> {
  const addresses = createAddressBook();
  for await (const people of readPeople(former, system, { context: deps.context, size })) {
    for (const drafts of cutBySize(people)) {
      await importBatch(deps, { report, addresses }, drafts);
    }
  }
  await checkControls(former, system, report);
}

/** Never more bytes at once than SQL is to be handed, and at least one row. */
function* cutBySize(drafts: Draft[]): Generator<Draft[]> {
  let batch: Draft[] = [];
  let bytes = 0;
  for (const draft of drafts) {
    const more = JSON.stringify(draft.row).length;
    if (batch.length > 0 && bytes + more > mostBytes) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(draft);
    bytes += more;
  }
  if (batch.length > 0) yield batch;
}

async function importBatch(
  deps: PeopleDeps,
  { report, addresses }: { report: ImportReport; addresses: AddressBook },
  drafts: Draft[],
) {
  const refused = { outcome: "refuse" as const, changed: null, credits: null };
  for (const draft of drafts.filter(({ faults }) => faults.length > 0)) {
    noteOutcome(report, draft, { ...refused, reason: draft.faults[0] ?? null });
  }
  let waiting = drafts.filter(({ faults }) => faults.length === 0);
  const keys: string[] = [];
  // Twice at most: whose address is taken may come without it.
  for (let round = 1; waiting.length > 0; round++) {
    const outcomes = await ask(deps, waiting);
    if (outcomes.length !== waiting.length) throw new Error("SQL answered for other people.");
    const again: Draft[] = [];
    for (const [index, outcome] of outcomes.entries()) {
      const draft = waiting[index];
      if (!draft) continue;
      const judged = deps.isDryRun ? addresses.judge(draft, outcome) : outcome;
      const other = round === 1 ? leaveAddresses(deps, draft, judged) : undefined;
      if (other) again.push(other);
      else {
        noteOutcome(report, draft, judged);
        keys.push(draft.row.key);
      }
    }
    waiting = again;
  }
  if (report.credits.here) {
    addSums(report.credits.here, await sumImport(deps.db, report.source, keys));
  }
}

function ask(
  { db, audit, context, isDryRun }: PeopleDeps,
  drafts: Draft[],
): Promise<ImportOutcome[]> {
  const { mapping, mode } = context;
  const rows = drafts.map(({ row }) => row);
  const options: ImportOptions = { mode, join: mapping.accounts.existing === "join" };
  return isDryRun
    ? planImport(db, mapping.source, { rows, options })
    : runImport(db, mapping.source, { rows, options, audit });
}

const taken = new Set([
  "email_taken",
  "phone_taken",
  "login_unverified",
  "login_has_account",
  "logins_differ",
]);

/** The same person without addresses, where the mapping says so and somebody else has them. */
function leaveAddresses(
  { context }: PeopleDeps,
  draft: Draft,
  { outcome, reason }: ImportOutcome,
): Draft | undefined {
  const mayLeave = context.mapping.accounts.clashing_addresses === "leave_out";
  if (outcome !== "refuse" || !mayLeave || !taken.has(reason ?? "")) return undefined;
  return withoutAddresses(draft);
}

function withoutAddresses({ row, faults, warnings }: Draft): Draft {
  const account = { ...row.account, email: null, phone: null };
  return {
    row: { ...row, account, login: null },
    faults,
    warnings: [...warnings, "address_taken"],
  };
}

type AddressBook = { judge(draft: Draft, outcome: ImportOutcome): ImportOutcome };

/**
 * Where nothing is written, SQL can't know who came before with the same address: two rows there
 * may differ by its case alone.
 */
function createAddressBook(): AddressBook {
  const seen = new Set<string>();
  return {
    judge(draft, outcome) {
      if (outcome.outcome !== "create") return outcome;
      const { email, phone, kind } = draft.row.account;
      const names = Object.entries({ email, phone }).filter(([, value]) => value !== null);
      for (const [name, value] of names) {
        const text = `${kind} ${name} ${value}`;
        if (seen.has(text)) return { ...outcome, outcome: "refuse", reason: `${name}_taken` };
        seen.add(text);
      }
      return outcome;
    },
  };
}

/** What their own columns sum up to must be what was read, row by row. */
async function checkControls(former: Former, system: System, report: ImportReport): Promise<void> {
  for (const { source, table, column } of system.controls) {
    const sum = await former.sum(table, column);
    const read = report.credits.there[source] ?? 0;
    if (sum !== read) {
      report.credits.unequal.push({ source, column: `${table}.${column}`, sum, read });
    }
  }
}
