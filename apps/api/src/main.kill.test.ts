import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startChildApi } from "../test/child-api.ts";
import { eventually, order, rootKey, type Stage, setStage } from "../test/stage.ts";

describe("the API as a process", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.close());

  const headers = (account: string) => ({
    authorization: `Bearer ${rootKey}`,
    "content-type": "application/json",
    "ducat-account": account,
    "idempotency-key": "k",
  });

  it("answers what runs when it is told to stop, takes nothing new, and ends with 0", async () => {
    const api = await startChildApi(stage.db.url);
    const account = await stage.makeAccount();
    // Nobody works here, so this would wait for a minute.
    const waiting = fetch(`${api.url}/v1/generations`, {
      method: "POST",
      headers: { ...headers(account), prefer: "wait=60" },
      body: JSON.stringify(order()),
    });
    await eventually(async () => {
      const rows = await stage.db.admin`
        SELECT FROM ducat.generations WHERE account_id = ${account}`;
      expect(rows).toHaveLength(1);
    });
    const startedAt = performance.now();
    const ended = api.stop();
    const answer = await waiting;
    expect(answer.status).toBe(201);
    expect(answer.headers.get("connection")).toBe("close");
    expect(await ended).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await expect(fetch(`${api.url}/livez`)).rejects.toThrow();
    expect(api.output()).toContain('"msg":"stopped"');
    expect(api.output()).not.toContain(rootKey);
  });

  it("ends a keep-alive connection that idles", async () => {
    const api = await startChildApi(stage.db.url);
    const { port } = new URL(api.url);
    const idle = connect(Number(port), "127.0.0.1");
    idle.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise((resolve) => idle.once("data", resolve));
    const closed = new Promise((resolve) => idle.once("close", resolve));
    expect(await api.stop()).toBe(0);
    await closed;
  });

  it("does not start with bad settings, and names all of them without their values", async () => {
    const bad = startChildApi("mysql://user:hunter2@x/y");
    const error = String(await bad.catch((caught: unknown) => caught));
    expect(error).toContain("DATABASE_URL");
    expect(error).not.toContain("hunter2");
  });
});
