import { randomUUID } from "node:crypto";
import { Album, AlbumPage } from "@ducat/types/albums";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keepUpload } from "../../test/gallery.ts";
import { type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const make = (account: string, body: object) => stage.call("/v1/albums", { account, body });

describe("albums", () => {
  it("are made, shown, changed and deleted; their images stay", async () => {
    const account = await stage.makeAccount();
    const made = await make(account, { name: "تراس‌ها", description: "Summer" });
    expect(made.status).toBe(201);
    const { id } = Album.parse(made.body);
    const image = (await keepUpload(stage, account, { album_id: id })).body;
    const at = `/v1/albums/${id}`;
    expect((await stage.call(at, { account })).body).toMatchObject({ image_count: 1 });
    const change = { description: null, is_public: true };
    const changed = await stage.call(at, { account, method: "PATCH", body: change });
    expect(Album.parse(changed.body)).toMatchObject({ ...change, name: "تراس‌ها", image_count: 1 });
    expect((await stage.call(at, { account, method: "DELETE" })).status).toBe(204);
    expect((await stage.call(at, { account, method: "DELETE" })).status).toBe(404);
    const kept = await stage.call(`/v1/images/${image.id}`, { account });
    expect([kept.status, kept.body.album_id]).toEqual([200, null]);
  });

  it("have names of their own, so that a repeated request makes no second one", async () => {
    const account = await stage.makeAccount();
    const answers = await Promise.all([1, 2, 3].map(() => make(account, { name: "Roofs" })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
    const [refused] = answers.filter(({ status }) => status === 409);
    expect(refused?.body).toMatchObject({ code: "already_exists", what: "name" });
  });

  it("are listed newest first, page by page", async () => {
    const account = await stage.makeAccount();
    for (const name of ["a", "b", "c"]) await make(account, { name });
    const list = async (query: string) =>
      AlbumPage.parse((await stage.call(`/v1/albums?${query}`, { account })).body);
    const first = await list("limit=2&count=true");
    expect([first.data.map(({ name }) => name), first.total]).toEqual([["c", "b"], 3]);
    const rest = await list(`limit=2&cursor=${first.next_cursor}`);
    expect([rest.data.map(({ name }) => name), rest.next_cursor]).toEqual([["a"], null]);
  });

  it.each([
    ["no name", {}],
    ["an empty name", { name: "" }],
    ["spaces around a name", { name: " a" }],
    ["a control character", { name: "a\u0007b" }],
    ["a count of its own", { name: "a", image_count: 9 }],
  ])("are refused with %s", async (_, body) => {
    expect((await make(await stage.makeAccount(), body)).status).toBe(422);
  });

  it("ask for a key, an account and the scope", async () => {
    expect((await stage.call("/v1/albums", { bearer: null })).status).toBe(401);
    expect((await stage.call("/v1/albums")).body.code).toBe("account_required");
    const key = { name: randomUUID(), scopes: ["uploads"] };
    const { body } = await stage.call("/v1/api-keys", { body: key });
    const account = await stage.makeAccount();
    expect((await stage.call("/v1/albums", { account, bearer: body.key })).status).toBe(403);
    expect((await stage.call("/v1/images", { account, bearer: body.key })).status).toBe(403);
  });
});
