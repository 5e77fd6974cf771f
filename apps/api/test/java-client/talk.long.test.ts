import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findExtra } from "../../../../infra/dev/parts.ts";
import { setStage } from "../stage.ts";
import { makeJavaClient } from "./make-client.ts";

const title = "a client in Java for all of the description (needs javac)";
describe.skipIf(findExtra("javac", title) === undefined)(title, () => {
  it("compiles", async () => {
    const stage = await setStage();
    const dir = await mkdtemp(join(tmpdir(), "ducat-java-"));
    try {
      const { body } = await stage.call("/openapi.json", { bearer: null });
      const { classes } = await makeJavaClient(body, dir);
      const schemas = Object.keys(body.components.schemas).length;
      // The operations of each section have a class, too.
      expect(classes).toBeGreaterThan(schemas + 10);
    } finally {
      await rm(dir, { recursive: true, force: true });
      await stage.close();
    }
  }, 300_000);
});
