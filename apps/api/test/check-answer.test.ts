import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CheckAnswer, createAnswerCheck } from "./check-answer.ts";
import { listOperations, type Operation } from "./operations.ts";
import { type Stage, setStage } from "./stage.ts";

describe("what the tests of rights compare with the description", () => {
  let stage: Stage;
  let check: CheckAnswer;
  let balance: Operation;
  beforeAll(async () => {
    stage = await setStage();
    check = createAnswerCheck((await stage.call("/openapi.json", { bearer: null })).body);
    const operations = await listOperations(stage);
    balance = operations.find(({ name }) => name === "GET /v1/credits/balance") as Operation;
  });
  afterAll(() => stage.close());

  it("is what is answered", async () => {
    const account = await stage.makeAccount();
    const good = await stage.call("/v1/credits/balance", { account });
    const refused = await stage.call("/v1/credits/balance", { account: "nobody" });
    expect([check(balance, good), check(balance, refused)]).toEqual([[], []]);

    const { held, ...body } = good.body;
    expect(check(balance, { ...good, text: JSON.stringify(body) })).toEqual([
      expect.stringMatching(/^200 is not as described: .*'held'/),
    ]);
    expect(check(balance, { ...good, text: JSON.stringify({ ...good.body, more: 1 }) })).toEqual([
      expect.stringMatching(/additional properties/),
    ]);
    expect(check(balance, { ...good, status: 202 })).toEqual([
      "answers 202, which is not described",
    ]);
    const headers = new Headers({ "content-type": "text/html" });
    expect(check(balance, { ...good, headers })).toEqual([
      "200 is text/html, not application/json",
    ]);
    const text = JSON.stringify({ ...refused.body, code: "invalid_state" });
    expect(check(balance, { ...refused, text })).toEqual([
      "refuses with invalid_state, which is not described",
    ]);
  });
});
