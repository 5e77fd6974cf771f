import type { Db } from "../src/connect.ts";
import { allAccounts, invariants } from "../src/invariants.ts";

/** Throws with the rows of every invariant that does not hold. `admin` must see every account. */
export async function assertInvariants(admin: Db): Promise<void> {
  const broken: string[] = [];
  for (const { id, title, violations } of invariants) {
    const rows = await admin.unsafe(violations, [allAccounts.from, allAccounts.to]);
    if (rows.length) broken.push(`${id} ${title}: ${JSON.stringify(rows)}`);
  }
  if (broken.length) throw new Error(broken.join("\n"));
}
