import { findUploadKeys } from "@ducat/db/batches";
import type { Db } from "@ducat/db/connect";
import type { RowError } from "@ducat/types/batches";
import type { CheckedRow, CheckedRows } from "./check-rows.ts";

/**
 * The rows with `photo_key`, the key of the file that each names by upload; those whose upload is
 * not there are bad rows.
 */
export async function findPhotos(
  db: Db,
  accountId: string,
  { rows, errors, count }: CheckedRows,
): Promise<CheckedRows> {
  const ids = new Set(rows.flatMap((row) => photoOf(row) ?? []));
  const keys = await findUploadKeys(db, accountId, [...ids]);
  const isMissing = (row: CheckedRow) => {
    const id = photoOf(row);
    return id !== undefined && !keys.has(id);
  };
  const missing: RowError[] = rows.filter(isMissing).map(({ line, index }) => ({
    ...{ line, pointer: `/rows/${index}/input/photo_id`, code: "validation_failed" },
    message: "There is no such upload, or it has expired.",
  }));
  const found = rows
    .filter((row) => !isMissing(row))
    .map((row) => {
      const key = keys.get(photoOf(row) ?? "");
      return key === undefined ? row : { ...row, input: { ...row.input, photo_key: key } };
    });
  const all = [...errors, ...missing].sort((a, b) => a.line - b.line);
  return { rows: found, errors: all, count };
}

function photoOf({ input }: CheckedRow): string | undefined {
  const { photo_id: id } = input;
  return typeof id === "string" ? id : undefined;
}
