import { most, type PlaceCheck, type Row } from "./check.ts";

type Ask = Omit<PlaceCheck, "find"> & {
  /** A query without an end of its own for the rows that break the rule. */
  sql: string;
};

/** A check that is one query. */
export const bySql = ({ sql, ...check }: Ask): PlaceCheck => ({
  ...check,
  find: (tx) => tx.unsafe<Row[]>(`SELECT * FROM (${sql}) AS broken LIMIT ${most}`),
});
