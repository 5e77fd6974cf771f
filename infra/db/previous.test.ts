import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { readSchema } from "../../packages/db/src/snapshot.ts";
import { cloneDatabase } from "../../packages/db/test/clone.ts";
import { makeScratch } from "../dev/test/scratch.ts";
import { findBreaks } from "./compare-schemas.ts";
import { findPreviousRelease, layOutPrevious, readAtCommit, runPreviousSuite } from "./previous.ts";

/** Credits and items; test:long runs the rest of its suite. */
const sample = ["credits.test.ts", "items.test.ts"];

const release = await findPreviousRelease("the former release on this schema");
// A checkout without history needs it for these.
const whenKnown = it.runIf(release !== undefined);

whenKnown("(needs its history) the former release finds all that it uses", async () => {
  const commit = release?.commit ?? "";
  const before = await readAtCommit(commit, "packages/db/schema.snapshot.txt");
  const database = await cloneDatabase();
  const after = await readSchema(database.admin).finally(() => database.close());
  const faults = findBreaks(before ?? "", after);
  expect(faults.filter((fault) => !(fault in (release?.unused ?? {})))).toEqual([]);
  expect(before).toContain("\ncreate_generation(");
});

whenKnown("(needs its history) a sample of its suite passes on this schema", async () => {
  if (release === undefined) return;
  const dir = await layOutPrevious(release.commit);
  const { passed, failed, output } = await runPreviousSuite(dir, release, sample).finally(() =>
    rm(dir, { recursive: true }),
  );
  expect(failed, output).toEqual([]);
  expect(passed).toBeGreaterThan(20);
});

it("says loudly that it was not run where the history is missing", async () => {
  const list = join(await makeScratch(), "missing");
  vi.stubEnv("CI", "").stubEnv("DUCAT_MISSING_PARTS", list);
  const unknown = { commit: "0".repeat(40), leftOut: {}, mayFail: {}, unused: {} };
  expect(await findPreviousRelease("the suite", unknown)).toBeUndefined();
  expect(await readFile(list, "utf8")).toBe(
    "the suite: not run, the history up to 0000000 is not in this checkout\n",
  );
  vi.unstubAllEnvs();
});
