import { chown, mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { canEnter, type User } from "./place.ts";

/** The most that a power cut or a lost disk may take with it. */
const ARCHIVE_SECONDS = 60;

/**
 * Server settings with which PostgreSQL copies each finished piece of its write-ahead log to a
 * folder, once a minute at the latest where anything was written. The folder is made if missing and
 * given to the server's user. Throws an Error for a folder that the user can't reach.
 */
export async function openArchive(
  folder: string,
  user: User | undefined,
): Promise<Record<string, string | number>> {
  const path = resolve(folder);
  // The server hands the command to a shell, and reads % itself.
  if (!/^[\w./ -]+$/.test(path)) throw new Error(`WAL_ARCHIVE_DIR is ${path}: plain letters only.`);
  if (process.platform === "win32") throw new Error("WAL_ARCHIVE_DIR needs Linux or macOS.");
  await mkdir(path, { recursive: true, mode: 0o700 });
  if (user !== undefined) {
    await chown(path, user.uid, user.gid);
    if (!(await canEnter(path, user))) {
      throw new Error(`User id ${user.uid} cannot reach WAL_ARCHIVE_DIR ${path} (chmod o+x).`);
    }
  }
  const [draft, final] = [`"${path}/.%f.draft"`, `"${path}/%f"`];
  return {
    archive_mode: "on",
    archive_timeout: ARCHIVE_SECONDS,
    // Never over one that is there, unless it is the same: the server asks again after a crash.
    archive_command:
      `if test -f ${final}; then cmp -s "%p" ${final}; ` +
      `else cp "%p" ${draft} && sync ${draft} && mv ${draft} ${final}; fi`,
  };
}
