import { randomUUID } from "node:crypto";
import { Estimate, Generation } from "@ducat/types/generations";
import { StyleDetail } from "@ducat/types/styles";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { claim, fail } from "../../../../packages/db/test/work.ts";
import { type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
});
afterAll(() => stage.close());

const tone = { type: "string", enum: ["calm", "loud"], default: "calm" };
const steps = { type: "integer", minimum: 1, maximum: 9 };
const tags = { type: "array", items: { type: "string", maxLength: 9 } };
const inputs = { properties: { tone, steps, tags, hd: { type: "boolean" } } };
const content = (params: object, more: object = {}) => ({
  ...{ name: "Asked", description: "By params.", category: "text", kind: "text", cost: 1 },
  ...{ generator: "local", prompt: "{input}", params, ...more },
});
async function publish(params: object = { inputs }): Promise<string> {
  const id = `asked_${randomUUID().slice(0, 8)}`;
  const answer = await stage.call("/v1/admin/styles", { body: { id, ...content(params) } });
  expect(answer.status, answer.text).toBe(201);
  return id;
}
/** As another process does it: this one's memory is not told. */
async function publishElsewhere(id: string, params: object) {
  const styles = JSON.stringify([{ id, ...content(params) }]);
  await stage.db.admin`UPDATE ducat.styles SET published_by = NULL WHERE id = ${id}`;
  await stage.db.admin`SELECT ducat.publish_styles(${styles}::text::jsonb)`;
}
const path = "/v1/generations";
const input = { type: "text", prompt: "a chair" };
const create = (account: string, style: string, params: object, key: string = randomUUID()) =>
  stage.call(path, { account, key, body: { style, input, params } });
const estimate = (account: string, style: string, params: object) =>
  stage.call(`${path}/estimate`, { account, body: { style, input, params } });
const balanceOf = async (account: string) =>
  (await stage.call("/v1/credits/balance", { account })).body.available;
const faultsOf = ({ body }: Awaited<ReturnType<typeof create>>) =>
  body.errors.map(({ pointer }: { pointer: string }) => pointer);

describe("GET /v1/styles/:id", () => {
  it("tells which params a request may have, and nothing of the prompt", async () => {
    const answer = await stage.call("/v1/styles/letter");
    expect(answer.status).toBe(200);
    const { id, inputs: told } = StyleDetail.parse(answer.body);
    expect([id, told?.required]).toEqual(["letter", ["recipient"]]);
    expect(Object.keys(told?.properties ?? {})).toContain("occasion");
    expect(answer.text).not.toContain("Write a letter");
    const picture = await stage.call("/v1/styles/modern_minimalist");
    expect(StyleDetail.parse(picture.body).inputs).toBeNull();
  });

  it("knows no style that is not on offer", async () => {
    const style = await publish();
    await stage.call(`/v1/admin/styles/${style}/deactivate`, { method: "POST" });
    for (const id of [style, "nothing", "..%2f", "x".repeat(200), "Letter"]) {
      const answer = await stage.call(`/v1/styles/${id}`);
      expect([answer.status, answer.body.code]).toEqual([404, "not_found"]);
    }
    expect((await stage.call("/v1/styles/letter", { bearer: null })).status).toBe(401);
  });
});

describe("params that a style takes", () => {
  it("are made with it, and others are refused at their places before anything is taken", async () => {
    const [style, account] = [await publish(), await stage.makeAccount()];
    const bad = { tone: "shrill", steps: 10, tags: ["ok", 7], tonne: "calm", hd: "true" };
    for (const ask of [create, estimate]) {
      const refused = await ask(account, style, bad);
      expect([refused.status, refused.body.code]).toEqual([422, "validation_failed"]);
      const places = ["tone", "steps", "tags/1", "tonne", "hd"].map((one) => `/params/${one}`);
      expect(faultsOf(refused)).toEqual(places);
      expect(refused.text).not.toContain("shrill");
    }
    expect(await balanceOf(account)).toBe(3);
    const good = { tone: "loud", steps: 9, tags: [], hd: false, simulate: "slow" };
    expect(Estimate.parse((await estimate(account, style, good)).body).cost).toBe(1);
    const made = await create(account, style, good);
    expect(made.status, made.text).toBe(201);
    expect(Generation.parse(made.body)).toMatchObject({ params: good, cost: 1 });
    expect(await balanceOf(account)).toBe(2);
  });

  it("are those of now, whatever this process remembers", async () => {
    const [style, account] = [await publish({}), await stage.makeAccount(2)];
    const key = randomUUID();
    const made = await create(account, style, { mood: 1 }, key);
    expect(made.status).toBe(201);
    const loud = { inputs: { properties: { mood: { type: "string", enum: ["loud"] } } } };
    await publishElsewhere(style, { inputs });
    await stage.deps.cache.forget([`style:${style}`]);
    expect((await create(account, style, { tone: "loud" })).status).toBe(201);
    await publishElsewhere(style, loud);
    expect(faultsOf(await create(account, style, { tone: "loud" }))).toEqual(["/params/tone"]);
    // What was accepted then is answered as it was.
    const again = await create(account, style, { mood: 1 }, key);
    expect([again.status, again.body.id]).toEqual([201, made.body.id]);
    expect(await balanceOf(account)).toBe(3);
  });

  it("are asked of a retry as well", async () => {
    const [style, account] = [await publish({}), await stage.makeAccount()];
    const { body } = await create(account, style, { mood: 1 });
    const made = { id: body.id, item_ids: [body.items[0].id] };
    await fail(stage.db.worker, await claim(stage.db.worker, account, made));
    const next = content({ inputs });
    await stage.call(`/v1/admin/styles/${style}`, { method: "PUT", body: next });
    await stage.deps.cache.forget([`style:${style}`]);
    const retry = { account, key: randomUUID(), method: "POST" };
    const refused = await stage.call(`${path}/${body.id}/retry`, retry);
    expect([refused.status, faultsOf(refused)]).toEqual([422, ["/params/mood"]]);
    expect(await balanceOf(account)).toBe(3);
  });
});

describe("params of a batch", () => {
  it("are checked row by row, with those that are for all", async () => {
    const [style, account] = [await publish(), await stage.makeAccount(9)];
    const rows = [{ input }, { input, params: { tone: "shrill" } }, { input, params: { x: 1 } }];
    const body = { style, params: { steps: 4 }, rows };
    const made = await stage.call(`${path}/batch`, { account, key: randomUUID(), body });
    expect(made.status, made.text).toBe(201);
    expect(made.body).toMatchObject({ accepted: 1, rejected: 2, cost: 1 });
    expect(made.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      "/rows/1/params/tone",
      "/rows/2/params/x",
    ]);
  });

  it("are read from cells by their type, and other columns are left out", async () => {
    const [style, account] = [await publish(), await stage.makeAccount(9)];
    const lines = ["prompt,STEPS,hd,tags,Size,tone", 'a,4,TRUE,"x; y",10 cm,', "b,many,,,,loud"];
    const made = await stage.call(`${path}/batch?style=${style}`, {
      ...{ account, key: randomUUID(), raw: lines.join("\n") },
      headers: { "content-type": "text/csv" },
    });
    expect(made.status, made.text).toBe(201);
    expect(made.body.columns).toMatchObject({ STEPS: "params.steps", Size: null });
    expect(made.body.errors).toMatchObject([{ line: 3, pointer: "/rows/1/params/steps" }]);
    const { body } = await stage.call(`${path}/${made.body.id}/items`, { account });
    expect(body.data).toMatchObject([{ params: { steps: 4, hd: true, tags: ["x", "y"] } }]);
  });
});

it.each([
  [{ properties: { a: { type: "date" } } }, {}, /^\/params\/inputs\/properties\/a/],
  [{ properties: {}, required: ["a"] }, {}, /^\/params\/inputs\/required\/0$/],
  ["size", {}, /^\/params\/inputs$/],
  [
    { properties: {} },
    { pricing: { base: "1", extras: [{ param: "hd", values: { true: "1" } }] } },
    /^\/pricing\/extras\/0\/param$/,
  ],
])("an operator can't publish the inputs %j", async (given, more, pointer) => {
  const body = { id: `bad_${randomUUID().slice(0, 8)}`, ...content({ inputs: given }, more) };
  const refused = await stage.call("/v1/admin/styles", { body });
  expect(refused.status).toBe(422);
  expect(refused.body.errors[0].pointer).toMatch(pointer);
});
