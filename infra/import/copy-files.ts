import { randomUUID } from "node:crypto";
import { type FetchPhoto, PhotoUnreachable } from "../../apps/worker/src/fetch-photo.ts";
import type { Db } from "../../packages/db/src/connect.ts";
import {
  failImportFile,
  type ImportFile,
  keepImportFile,
  takeImportFile,
} from "../../packages/db/src/imports.ts";
import { inputKey, thumbnailKey } from "../../packages/storage/src/blob-key.ts";
import type { Blobs } from "../../packages/storage/src/blobs.ts";
import type { ImageIntake, Picture } from "../../packages/storage/src/image-intake.ts";
import { DomainError } from "../../packages/types/src/errors.ts";

export type FileDeps = {
  db: Db;
  blobs: Blobs;
  imageIntake: ImageIntake;
  fetchPhoto: FetchPhoto;
  /** Names of hosts that pictures are fetched from: rows of theirs were written by anybody. */
  hosts: readonly string[];
};

/** Pictures that are fetched at the same time. */
const atOnce = 2;

/**
 * Fetches the pictures of a source that are due, each once, and keeps them; returns how many were
 * kept. One that can't be had now is left for a later run. Safe to stop and start anywhere.
 */
export async function copyFiles(deps: FileDeps, source: string): Promise<number> {
  let kept = 0;
  const work = async () => {
    for (;;) {
      const file = await takeImportFile(deps.db, source);
      if (!file) return;
      if (await copyFile(deps, file)) kept += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return kept;
}

async function copyFile(deps: FileDeps, file: ImportFile): Promise<boolean> {
  try {
    if (!isAllowed(file.url, deps.hosts)) throw new PhotoUnreachable("blocked", false);
    const bytes = await deps.fetchPhoto(file.url);
    await keep(deps, file, await deps.imageIntake.intake(bytes));
    return true;
  } catch (error) {
    const known = explain(error);
    if (!known) throw error;
    await failImportFile(deps.db, file, known);
    return false;
  }
}

function isAllowed(text: string, hosts: readonly string[]): boolean {
  return URL.canParse(text) && hosts.includes(new URL(text).host);
}

/** The files first, then the rows: what is left behind when this ends in between is an orphan. */
async function keep({ db, blobs, imageIntake }: FileDeps, file: ImportFile, picture: Picture) {
  const { account_id: account } = file;
  const store = async (key: string, { bytes, ...shape }: Picture) => ({
    ...shape,
    ...(await blobs.put(key, bytes)),
  });
  const blob = await store(inputKey(account, randomUUID()), picture);
  const thumbnail =
    file.purpose === "image"
      ? await store(thumbnailKey(account, randomUUID()), await imageIntake.shrink(picture.bytes))
      : null;
  try {
    const unused = await keepImportFile(db, file, { blob, thumbnail });
    await Promise.all(unused.map((key) => blobs.remove(key)));
  } catch (error) {
    if (error instanceof DomainError && error.code !== "unavailable") {
      await Promise.all([blob, thumbnail].map((one) => one && blobs.remove(one.key)));
    }
    throw error;
  }
}

/** What is to be written down of a failure; undefined where it is ours. */
function explain(error: unknown): { error: string; isFinal: boolean } | undefined {
  if (error instanceof PhotoUnreachable) {
    return { error: error.reason, isFinal: !error.retryable };
  }
  if (!(error instanceof DomainError)) return undefined;
  return { error: error.code, isFinal: error.code !== "unavailable" };
}
