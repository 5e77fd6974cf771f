import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** How many of the deployment's own endpoints fail, and how many were given up, for metrics. */
export async function readOwnEndpoints(db: Db): Promise<{ failing: number; givenUp: number }> {
  const [row] = await ask(db<[{ failing: number; givenUp: number }]>`
    SELECT failing, given_up AS "givenUp" FROM ducat.read_own_endpoints()`);
  return row;
}
