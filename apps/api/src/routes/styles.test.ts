import { StyleList } from "@ducat/types/styles";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stage, setStage } from "../../test/stage.ts";

describe("GET /v1/styles", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.close());

  it("lists the presets on offer with their prices, for any key and no account", async () => {
    const answer = await stage.call("/v1/styles");
    expect(answer.status).toBe(200);
    const { data } = StyleList.parse(answer.body);
    const kinds = data.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "image").length).toBeGreaterThanOrEqual(6);
    expect(kinds).toContain("text");
    expect(data.every(({ cost }) => cost > 0)).toBe(true);
    // Prompt templates stay between us and the workers.
    expect(answer.text).not.toContain("Restyle this");
  });

  it("leaves out what is no longer on offer", async () => {
    await stage.db.admin`UPDATE ducat.styles SET is_active = false WHERE id = 'studio_noir'`;
    const { body } = await stage.call("/v1/styles");
    expect(body.data.map(({ id }: { id: string }) => id)).not.toContain("studio_noir");
  });

  it("asks for a key of ours", async () => {
    expect((await stage.call("/v1/styles", { bearer: null })).status).toBe(401);
    expect((await stage.call("/v1/styles", { bearer: "x".repeat(40) })).status).toBe(401);
  });
});
