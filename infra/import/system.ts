import type {
  ImportGrant,
  ImportPayment,
  ImportPlan,
  ImportRow,
} from "../../packages/db/src/imports.ts";
import type { Counts, Ids, Row } from "./former.ts";
import type { TableSpec } from "./former-tables.ts";
import type { Mapping } from "./mapping.ts";
import type { Offers } from "./offers.ts";

/** Whose rows are read together. */
export type Drive = {
  /** Of whom they are; also the table that their key names. */
  name: string;
  kind: "user" | "vendor";
  /** Where they are named. */
  ids: Ids;
  /** What is read of them, by part: a part that has changed there is told by its name. */
  parts: Record<string, DrivePart[]>;
  /** What is only counted. */
  counts: { table: string; owner: string; by: string; isOfMonth?: boolean }[];
};
/** `daysOf`: only rows whose column is younger than these days. */
export type DrivePart = {
  table: string;
  owner: string;
  daysOf?: { column: string; days: number };
};

export type Person = {
  id: string;
  kind: "user" | "vendor";
  /** Of the tables of the drive's parts. */
  rows: Record<string, Row[]>;
  counts: Record<string, Counts>;
};

export type Context = {
  mapping: Mapping;
  offers: Offers;
  mode: "test" | "live";
  now: Date;
  /** Small tables that rows refer to, by table. */
  lists: Record<string, Row[]>;
};

/** What an account is made of; what is left out is nothing. */
export type Parts = {
  account: Partial<ImportRow["account"]>;
  login?: ImportRow["login"];
  identity?: ImportRow["identity"];
  vendor?: ImportRow["vendor"];
  customers?: ImportRow["customers"];
  plan?: ImportPlan | null;
  passes?: ImportRow["passes"];
  payments?: ImportPayment[];
  grants?: ImportGrant[];
  allowances?: ImportRow["allowances"];
  usage?: ImportRow["usage"];
  albums?: ImportRow["albums"];
  files?: ImportRow["files"];
  /** Why this person can't be moved in. */
  faults: string[];
  /** What of them stays behind, or somebody should know. */
  warnings: string[];
};

/** One of the former systems: what it keeps where, and what that is here. */
export type System = {
  tables: Record<string, TableSpec>;
  drives: Drive[];
  /** Small tables that are read once. */
  lists: string[];
  /** Columns whose sums must be what was read: our source, and where it is there. */
  controls: { source: string; table: string; column: string }[];
  /** The plans that are named there: for a mapping that is suggested. */
  plans: Ids;
  read(person: Person, context: Context): Parts;
};
