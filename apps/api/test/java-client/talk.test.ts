import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findExtra } from "../../../../infra/dev/parts.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { selectOperations } from "../select-operations.ts";
import { rootKey, type Stage, setStage } from "../stage.ts";
import { makeJavaClient } from "./make-client.ts";

/** What the program asks for. */
const asked = [
  ...["createAccount", "adminAdjustCredits", "getBalance", "listTransactions", "createHold"],
  ...["captureHold", "consumeCredits", "estimateGeneration", "createGeneration"],
  ...["cancelGeneration", "listGenerations"],
];

const title = "a client in Java made of the description (needs javac)";
describe.skipIf(findExtra("javac", title) === undefined)(title, () => {
  let stage: Stage;
  let server: RunningServer;
  let dir: string;
  beforeAll(async () => {
    stage = await setStage();
    server = await startServer(stage.app, { host: "127.0.0.1", port: 0 });
    dir = await mkdtemp(join(tmpdir(), "ducat-java-"));
  });
  afterAll(async () => {
    await server.close(1_000);
    await stage.close();
    await rm(dir, { recursive: true, force: true });
  });

  it("compiles, and spends, asks, repeats and is refused as it should", async () => {
    const { body } = await stage.call("/openapi.json", { bearer: null });
    const client = await makeJavaClient(selectOperations(body, asked), dir);
    expect(client.warnings.join("\n")).not.toMatch(/operationId|reserved word|model name/);

    const name = `java-${randomUUID()}`;
    const program = join(import.meta.dirname, "talk.java");
    const told = await client.run(program, "Talk", [String(server.port), rootKey, name]);
    expect(JSON.parse(told)).toEqual({
      account: name,
      ...{ gift: 5_000_000_000, hold: "open", captured: 1, released: 1 },
      ...{ available: 5_000_000_002, period: null, ledger: [-2, 5_000_000_000] },
      ...{ refused: 402, code: "insufficient_credits" },
      ...{ estimate: 2, unit: 1, same: true, completed: null, item: "canceled", output: null },
      ...{ total: 1, listed: true, input: { type: "text", prompt: "A garden" } },
    });
    const account = await stage.call("/v1/credits/balance", { account: name });
    expect(account.body.available).toBe(5_000_000_002);
  }, 300_000);
});
