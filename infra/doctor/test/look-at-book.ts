import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSchema } from "../../../packages/db/src/snapshot.ts";
import type { TestDatabase } from "../../../packages/db/test/clone.ts";
import { createDiskBlobs } from "../../../packages/storage/src/disk.ts";
import { createSnapshot } from "../check.ts";
import { examine, type Report } from "../examine.ts";

/** All that the doctor says of a database that has no files, in ten minutes at most. */
export async function lookAtBook({ admin }: TestDatabase): Promise<Report> {
  const dir = await mkdtemp(join(tmpdir(), "ducat-doctor-"));
  const schema = await readSchema(admin);
  const role = "ducat_owner";
  try {
    return await examine({
      ...{ role, snapshot: createSnapshot({ db: admin, role }), blobs: createDiskBlobs({ dir }) },
      ...{ deep: false, limitMs: 600_000, now: Date.now },
      readExpectedSchema: async () => schema,
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
