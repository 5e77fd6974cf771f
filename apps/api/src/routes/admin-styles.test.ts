import { randomUUID } from "node:crypto";
import { claimItem } from "@ducat/db/items";
import { StyleVersion, StyleVersionList, StyleVersionPage } from "@ducat/types/admin-styles";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seedStyles } from "../../../../packages/db/src/seed.ts";
import { order, type Stage, setStage } from "../../test/stage.ts";

const path = "/v1/admin/styles";
const content = {
  name: "Night garden",
  description: "Lanterns and deep blues.",
  category: "landscape",
  kind: "image",
  generator: "local",
  prompt: "A garden at night. {label}",
  params: { look: "modern_minimalist" },
  cost: 2,
};

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

let made = 0;
async function publishNew(more: object = {}): Promise<string> {
  const id = `night_${++made}`;
  const answer = await stage.call(path, { body: { id, ...content, ...more } });
  expect(answer.status).toBe(201);
  return id;
}
const put = (id: string, body: object) => stage.call(`${path}/${id}`, { method: "PUT", body });
const act = (id: string, what: string, body?: object) =>
  stage.call(`${path}/${id}/${what}`, { method: "POST", ...(body && { body }) });
const read = async (id: string, version?: number) => {
  const at = version === undefined ? id : `${id}/versions/${version}`;
  return StyleVersion.parse((await stage.call(`${path}/${at}`)).body);
};
const generate = async (style: string) => {
  const account = await stage.makeAccount(50);
  return await stage.call("/v1/generations", {
    account,
    key: randomUUID(),
    body: order({ style }),
  });
};
const listActions = async (id: string) => {
  const lines = await stage.db.admin`
    SELECT action FROM ducat.audit_logs WHERE resource = 'style' AND resource_id = ${id}
    ORDER BY id`;
  return lines.map(({ action }) => action);
};

describe("a preset", () => {
  it("that is published is on offer at once, and its name is taken", async () => {
    const id = await publishNew();
    const { data } = StyleVersionList.parse((await stage.call(path)).body);
    const found = data.find((one) => one.id === id);
    expect(found).toMatchObject({ version: 1, is_active: true, published_by: "root" });
    expect(found).toMatchObject({ ...content, deadline_s: 900, max_attempts: 3 });
    expect((await generate(id)).body).toMatchObject({ cost: 2, style: { id, version: 1 } });
    const again = await stage.call(path, { body: { id, ...content } });
    expect([again.status, again.body.code]).toEqual([409, "already_exists"]);
  });

  it("gets a new version by a change only; what was made keeps its own", async () => {
    const id = await publishNew();
    const before = await generate(id);
    expect((await put(id, { ...content, cost: 5, prompt: "Later. {label}" })).body.version).toBe(2);
    expect((await put(id, { ...content, cost: 5, prompt: "Later. {label}" })).body.version).toBe(2);
    expect((await generate(id)).body).toMatchObject({ cost: 5, style: { version: 2 } });
    const [row] = await stage.db.admin`
      SELECT account_id FROM ducat.generations WHERE id = ${before.body.id}`;
    const { id: generationId, items } = before.body;
    const job = { accountId: row?.account_id, generationId, itemId: items[0].id, attempt: 0 };
    const item = await claimItem(stage.db.worker, job, 60);
    expect(item).toMatchObject({ style_version: 1, prompt: content.prompt });
    expect((await put("nobody", content)).status).toBe(404);
  });

  it("goes back to a former version, as a new one", async () => {
    const id = await publishNew();
    await put(id, { ...content, cost: 9 });
    const back = StyleVersion.parse((await act(id, "restore", { version: 1 })).body);
    expect(back).toMatchObject({ version: 3, cost: 2, is_current: true });
    const first = await stage.call(`${path}/${id}/versions?limit=2`);
    const page = StyleVersionPage.parse(first.body);
    expect(page.data.map(({ version, cost }) => [version, cost])).toEqual([
      [3, 2],
      [2, 9],
    ]);
    const next = await stage.call(`${path}/${id}/versions?limit=2&cursor=${page.next_cursor}`);
    expect(next.body.data.map(({ version }: StyleVersion) => version)).toEqual([1]);
    expect(await read(id, 2)).toMatchObject({ cost: 9, is_current: false });
    for (const missing of [4, 2_147_483_647]) {
      expect((await act(id, "restore", { version: missing })).status).toBe(404);
      expect((await stage.call(`${path}/${id}/versions/${missing}`)).status).toBe(404);
    }
    expect(await listActions(id)).toEqual(["style.publish", "style.publish", "style.restore"]);
  });

  it("that is taken off is made no more, stays off through a change, and comes back", async () => {
    const id = await publishNew();
    expect((await act(id, "deactivate")).body.is_active).toBe(false);
    expect((await generate(id)).status).toBe(404);
    expect((await put(id, { ...content, cost: 3 })).body).toMatchObject({ is_active: false });
    expect((await act(id, "restore", { version: 1 })).body.is_active).toBe(false);
    expect((await generate(id)).status).toBe(404);
    expect((await act(id, "activate")).body).toMatchObject({ is_active: true, version: 3 });
    expect((await generate(id)).status).toBe(201);
    expect((await act("nobody", "activate")).status).toBe(404);
  });

  it("of a release stays as an operator left it when the next release comes", async () => {
    const id = "cottage_garden";
    await put(id, { ...content, cost: 4 });
    await act("desert_xeriscape", "deactivate");
    expect(await seedStyles(stage.db.url)).toEqual([]);
    expect(await read(id)).toMatchObject({ version: 2, cost: 4 });
    expect(await read("desert_xeriscape")).toMatchObject({ version: 1, is_active: false });
  });

  it("is published by one of two at the same time, and changed by both in turn", async () => {
    const id = `twice_${randomUUID().slice(0, 8)}`;
    const publish = () => stage.call(path, { body: { id, ...content } });
    const all = await Promise.all([publish(), publish(), publish()]);
    expect(all.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
    await Promise.all([11, 12, 13].map((cost) => put(id, { ...content, cost })));
    expect((await read(id)).version).toBe(4);
  });

  it("is refused when no worker could make it, or when it is too much", async () => {
    const wrong: [object, string][] = [
      [{ params: { look: "nothing" } }, "/params/look"],
      [{ params: {} }, "/params/look"],
      [{ generator: "No body" }, "/generator"],
      [{ generator: "openai" }, "/params/model"],
      [{ fallbacks: [{ generator: "openai" }] }, "/fallbacks/0/params/model"],
      [{ fallbacks: [{ generator: "local", params: content.params }] }, "/fallbacks/0/generator"],
      [{ kind: "video" }, "/kind"],
      [{ cost: -1 }, "/cost"],
      [{ cost: 1_000_001 }, "/cost"],
      [{ cost: 0.5 }, "/cost"],
      [{ deadline_s: 86_401 }, "/deadline_s"],
      [{ max_attempts: 0 }, "/max_attempts"],
      [{ prompt: "x".repeat(8_001) }, "/prompt"],
      [{ prompt: "" }, "/prompt"],
      [{ params: { look: "studio_noir", more: "x".repeat(20_000) } }, "/params"],
      [{ category: "A place" }, "/category"],
      [{ version: 7 }, "/version"],
    ];
    for (const [more, pointer] of wrong) {
      const refused = await put("cottage_garden", { ...content, ...more });
      expect([refused.status, refused.body.errors?.[0]?.pointer]).toEqual([422, pointer]);
    }
    const text = { ...content, kind: "text", params: {} };
    const id = await publishNew(text);
    expect((await read(id)).kind).toBe("text");
  });
});
