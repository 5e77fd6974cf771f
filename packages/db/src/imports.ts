import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";

/** Somebody of a former system, in the words of sql/imports.sql. Times are RFC 3339. */
export type ImportRow = {
  /** `<table>:<id>` there. */
  key: string;
  /** SHA-256 of what there is of them there, by part. */
  checksums: Record<string, string>;
  /** What is counted and not carried, by table and state. */
  history: Record<string, Record<string, number>>;
  account: {
    external_id: string;
    kind: "user" | "vendor";
    name: string | null;
    email: string | null;
    phone: string | null;
    bio: string | null;
    locale: string;
    is_active: boolean;
    created_at: string | null;
    last_login_at: string | null;
  };
  /** A number is known to be theirs. A password is an argon2 hash. */
  login: {
    name: string;
    email: string | null;
    email_verified: boolean;
    phone: string | null;
    password: string | null;
  } | null;
  identity: { issuer: string; subject: string } | null;
  vendor: {
    business_name: string;
    profile_info: string | null;
    contact_info: Record<string, string>;
    social_links: Record<string, string>;
    is_verified: boolean;
  } | null;
  customers: { provider: string; ref: string }[];
  plan: ImportPlan | null;
  passes: {
    key: string;
    product: string;
    provider: string;
    currency: string;
    starts_at: string;
    ends_at: string;
  }[];
  payments: ImportPayment[];
  grants: ImportGrant[];
  allowances: { key: string; feature: string; amount: number; expires_at: string | null }[];
  usage: { feature: string; period_start: string; used: number }[];
  albums: { name: string; description: string | null; is_public: boolean }[];
  files: {
    key: string;
    purpose: "image" | "avatar";
    url: string;
    details: Record<string, unknown>;
  }[];
};

/** `provider: manual` is nobody's to pay; another one without `ref` is renewed by our orders. */
export type ImportPlan = {
  key: string;
  product: string;
  price_id: string | null;
  provider: string;
  ref: string | null;
  customer_ref: string | null;
  plan_ref: string | null;
  status: "trialing" | "active" | "past_due" | "unpaid" | "paused";
  started_at: string | null;
  period_start: string | null;
  period_end: string | null;
  cancel_at: string | null;
  trial_ends_at: string | null;
};

/** Amounts in minor units; `effect_key` is what the provider's adapter would call it. */
export type ImportPayment = {
  key: string;
  effect_key: string | null;
  provider: string;
  purpose: "pack" | "pass" | "invoice";
  product: string | null;
  ref: string | null;
  receipt_ref: string | null;
  card_mask: string | null;
  customer_ref: string | null;
  amount: number;
  currency: string;
  reversed: number;
  paid_at: string;
};

/** `monthly`: what is left of a plan's month; it lives until the next one comes. */
export type ImportGrant = {
  key: string;
  source: "trial" | "purchase" | "subscription" | "adjustment";
  amount: number;
  monthly: boolean;
  expires_at: string | null;
  description: string;
};

export type ImportOutcome = {
  row_key: string;
  outcome: "create" | "join" | "equal" | "differs" | "erased" | "refuse";
  /** Why it was refused. */
  reason: string | null;
  account_id: string | null;
  /** Parts that have changed there since it was moved in. */
  changed: string[] | null;
  /** What was carried of one that is moved in already. */
  credits: Record<string, number> | null;
};

export type ImportOptions = { mode: "test" | "live"; join: boolean };

/** What would become of each row, in their order; at most 500. Writes nothing. */
export function planImport(
  db: Db,
  source: string,
  { rows, options }: { rows: ImportRow[]; options: ImportOptions },
): Promise<ImportOutcome[]> {
  return ask(db<ImportOutcome[]>`
    SELECT * FROM ducat.plan_import(${source}, ${JSON.stringify(rows)}::text::jsonb,
      ${JSON.stringify(options)}::text::jsonb)`);
}

/**
 * Moves rows in, in one transaction, at most 500; what became of each, in their order. A row that
 * can't be moved in is refused, and keeps no other from it. A repeat only looks.
 */
export function runImport(
  db: Db,
  source: string,
  { rows, options, audit }: { rows: ImportRow[]; options: ImportOptions; audit: Audit },
): Promise<ImportOutcome[]> {
  return ask(db<ImportOutcome[]>`
    SELECT * FROM ducat.run_import(${source}, ${JSON.stringify(rows)}::text::jsonb,
      ${JSON.stringify(options)}::text::jsonb, ${JSON.stringify(audit)}::text::jsonb)`);
}

/** What these rows were given here: credits by source, stock as `stock:<feature>`. */
export async function sumImport(
  db: Db,
  source: string,
  keys: string[],
): Promise<Record<string, number>> {
  const rows = await ask(db<{ source: string; amount: number }[]>`
    SELECT source, amount FROM ducat.sum_import(${source}, ${keys}::text[])`);
  return Object.fromEntries(rows.map((row) => [row.source, row.amount]));
}

/** Writes down that a run ended, and what it came to. */
export async function noteImport(
  db: Db,
  source: string,
  { totals, audit }: { totals: Record<string, unknown>; audit: Audit },
): Promise<void> {
  await ask(db`
    SELECT ducat.note_import(${source}, ${JSON.stringify(totals)}::text::jsonb,
      ${JSON.stringify(audit)}::text::jsonb)`);
}

/** A picture of a former system that is still to be fetched. */
export type ImportFile = {
  account_id: string;
  id: string;
  row_key: string;
  purpose: "image" | "avatar";
  url: string;
};

/** Takes one for two minutes; undefined when there is none to take. */
export async function takeImportFile(db: Db, source: string): Promise<ImportFile | undefined> {
  const [row] = await ask(db<ImportFile[]>`
    SELECT account_id, id, row_key, purpose, url FROM ducat.take_import_file(${source})`);
  return row;
}

type StoredPicture = {
  key: string;
  sha256: string;
  type: string;
  size: number;
  width: number;
  height: number;
};

/**
 * Keeps a picture whose files are stored, once; returns the keys of files that were not used.
 * Errors: not_found, quota_exceeded, invalid_state (reason: erased).
 */
export async function keepImportFile(
  db: Db,
  file: ImportFile,
  { blob, thumbnail }: { blob: StoredPicture; thumbnail: StoredPicture | null },
): Promise<string[]> {
  const rows = await ask(db<{ key: string }[]>`
    SELECT key FROM ducat.keep_import_file(${file.account_id}, ${file.id},
      ${JSON.stringify(blob)}::text::jsonb,
      ${thumbnail && JSON.stringify(thumbnail)}::text::jsonb) AS key`);
  return rows.map(({ key }) => key);
}

/** Writes down that it could not be had: for ever, or until it is tried again. */
export async function failImportFile(
  db: Db,
  file: ImportFile,
  { error, isFinal }: { error: string; isFinal: boolean },
): Promise<void> {
  await ask(db`
    SELECT ducat.fail_import_file(${file.account_id}, ${file.id}, ${error}, ${isFinal})`);
}

/** How many of a source's pictures stand how, and why those failed. */
export function countImportFiles(
  db: Db,
  source: string,
): Promise<{ status: string; error: string | null; count: number }[]> {
  return ask(db<{ status: string; error: string | null; count: number }[]>`
    SELECT status, error, count FROM ducat.count_import_files(${source})`);
}
