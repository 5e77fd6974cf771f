import { findUpload } from "@ducat/db/blobs";
import { isKeyUsed } from "@ducat/db/generations";
import type { Deps } from "./deps.ts";
import { refuseAt } from "./problem.ts";

type Asked = {
  key: string;
  input: Record<string, unknown>;
  params: Record<string, unknown>;
};

/**
 * The input as workers need it: a photo by upload gets `photo_key`, the key of its file, which no
 * answer ever shows. A request whose key is known already is left to be answered from its row, as
 * an upload may have expired since. Errors: validation_failed.
 */
export async function resolveInput(
  { db, mode }: Pick<Deps, "db" | "mode">,
  accountId: string,
  { key, input, params }: Asked,
): Promise<Record<string, unknown>> {
  if (mode === "live" && "simulate" in params) {
    throw refuseAt("/params/simulate", "This is for test mode only.");
  }
  const { photo_id } = input;
  if (typeof photo_id !== "string") return input;
  const upload = await findUpload(db, accountId, photo_id);
  if (upload) return { ...input, photo_key: upload.key };
  if (await isKeyUsed(db, accountId, key)) return input;
  throw refuseAt("/input/photo_id", "There is no such upload, or it has expired.");
}
