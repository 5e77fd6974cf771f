import { rm } from "node:fs/promises";
import { expect, it } from "vitest";
import { findPreviousRelease, layOutPrevious, runPreviousSuite } from "./previous.ts";

const release = await findPreviousRelease("the former release's whole suite on this schema");
// A checkout without history needs it for these.
const whenKnown = it.runIf(release !== undefined);

const LIMIT_MS = 15 * 60_000;

whenKnown(
  "(needs its history) the former release's suite passes on this schema",
  async () => {
    if (release === undefined) return;
    const dir = await layOutPrevious(release.commit);
    const { passed, failed, output } = await runPreviousSuite(dir, release).finally(() =>
      rm(dir, { recursive: true }),
    );
    expect(failed, output).toEqual([]);
    expect(passed).toBeGreaterThan(500);
  },
  LIMIT_MS,
);
