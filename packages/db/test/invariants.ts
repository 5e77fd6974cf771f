import type { Db } from "../src/connect.ts";
import { invariants } from "../src/invariants.ts";

/** Throws with the rows of every invariant that does not hold. `admin` must see every account. */
export async function assertInvariants(admin: Db): Promise<void> {
  const broken: string[] = [];
  for (const invariant of invariants) {
    const rows = await admin.unsafe(invariant.violations);
    if (rows.length) broken.push(`${invariant.id} ${invariant.title}: ${JSON.stringify(rows)}`);
  }
  if (broken.length) throw new Error(broken.join("\n"));
}
