import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stage, setStage } from "../../../apps/api/test/stage.ts";
import { type Document, makeTypes } from "../test/make-types.ts";

describe("the types", () => {
  let stage: Stage;
  let document: Document;
  beforeAll(async () => {
    stage = await setStage();
    document = (await stage.call("/openapi.json", { bearer: null })).body;
  });
  afterAll(() => stage.close());

  // To make them anew: npx vitest run --project suite packages/sdk/src/types.test.ts -u
  it("are those of the API's document", async () => {
    await expect(makeTypes(document)).toMatchFileSnapshot("types.ts");
  });
});
