import { expect } from "vitest";
import type { Snapshot, Tx } from "../check.ts";
import { checkIds, type Report } from "../examine.ts";
import type { Plant } from "./plants.ts";
import type { Stage } from "./stage.ts";

const undo = new Error("undone");
const ofSchema = ["migrations", "indexes", "schema"];

/** What the doctor finds in a transaction in which something was planted, which is then undone. */
export async function lookAtPlanted(stage: Stage, { sql, expected }: Plant) {
  let report: Report | undefined;
  // Rows don't change a schema, and reading it takes half of the time.
  const isOfSchema = expected.some((check) => ofSchema.includes(check));
  const only = isOfSchema ? undefined : checkIds.filter((check) => !ofSchema.includes(check));
  const planting = stage.database.admin.begin(async (tx) => {
    await tx.unsafe(`SET LOCAL session_replication_role = replica; ${sql(stage)}`).simple();
    const snapshot: Snapshot = (_limitMs, read) =>
      tx.savepoint((inner) => read(inner as unknown as Tx)) as never;
    report = await stage.look({ snapshot, only });
    throw undo;
  });
  await expect(planting).rejects.toBe(undo);
  return report;
}

/** Which rules a report says are broken, each once. */
export const checksOf = (report?: Report) =>
  [...new Set(report?.findings.map(({ check }) => check))].sort();
