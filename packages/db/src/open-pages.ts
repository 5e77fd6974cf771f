import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** Gives back the right that claimOpening took, where no page came of it. */
export async function releaseOpening(db: Db, paymentId: string): Promise<void> {
  await ask(db`SELECT ducat.release_opening(${paymentId})`);
}
