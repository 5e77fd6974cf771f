import { createConfig, lintFromString } from "@redocly/openapi-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Stage, setStage } from "./stage.ts";

/** Pages and probes: no client is made for them, and what they refuse, proxies refuse. */
const isForBrowsers = (pointer: string) =>
  /^#\/paths\/~1(?:|livez|readyz|health|docs|openapi\.json|(?:auth|callbacks|pay)~1[^/]+)\//.test(
    pointer,
  );
const aboutAnswers = ["operation-2xx-response", "operation-4xx-response"];

/** What a validator says of a description, as `rule pointer: message`. */
async function lint(document: object): Promise<string[]> {
  const config = await createConfig({ extends: ["recommended-strict"] });
  const source = JSON.stringify(document);
  const problems = await lintFromString({ source, absoluteRef: "openapi.json", config });
  return problems.flatMap(({ ruleId, location: [place], message }) => {
    const pointer = place?.pointer ?? "";
    if (aboutAnswers.includes(ruleId) && isForBrowsers(pointer)) return [];
    return [`${ruleId} ${pointer}: ${message}`];
  });
}

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

it("the API's description is valid for a strict validator, its examples too", async () => {
  const { body } = await stage.call("/openapi.json", { bearer: null });
  expect(await lint(body)).toEqual([]);

  // … which sees what is wrong with one.
  body.components.schemas.CreateHold.examples = [{ amount: "two" }];
  body.paths["/v1/products"].get.operationId = "listStyles";
  body.paths["/v1/me"].get.responses["200"].content["application/json"].schema.$ref += "s";
  const rules = (await lint(body)).map((fault) => fault.split(" ")[0]).sort();
  expect(rules).toEqual([
    "no-invalid-schema-examples",
    "no-unresolved-refs",
    "operation-operationId-unique",
  ]);
});
