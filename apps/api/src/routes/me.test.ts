import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeForm, makePhoto } from "../../test/pictures.ts";
import { order, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const change = (account: string, body: unknown) =>
  stage.call("/v1/me", { method: "PATCH", account, body });

async function upload(account: string): Promise<string> {
  const { raw, headers } = makeForm([{ bytes: await makePhoto(64, 48) }]);
  const { body } = await stage.call("/v1/uploads", { account, raw, headers });
  return body.id;
}

describe("one's own account", () => {
  it("is shown to its server, its key and its browser, each as the same", async () => {
    const account = await stage.makeAccount();
    const { body: me } = await stage.call("/v1/me", { account });
    expect(me).toMatchObject({ id: account, kind: "user", avatar: null, bio: null, locale: "en" });
    const scopes = { scopes: ["profile"] };
    const key = await stage.call("/v1/api-keys", { account, body: { name: "own", ...scopes } });
    const token = await stage.call(`/v1/accounts/${account}/tokens`, { body: scopes });
    for (const bearer of [key.body.key, token.body.token]) {
      const foreign = await stage.makeAccount();
      expect((await stage.call("/v1/me", { bearer, account: foreign })).body).toEqual(me);
    }
    expect((await stage.call("/v1/me")).body.code).toBe("account_required");
    expect((await stage.call("/v1/me", { account: "nobody" })).status).toBe(404);
  });

  it("is changed where something is named, and nowhere else", async () => {
    const { body: made } = await stage.call("/v1/accounts", {
      body: { external_id: "changes", name: "Ada", email: "ada@x.org", phone: "+4915112345678" },
    });
    const changed = await change(made.id, { bio: "Gardens.", locale: "fa" });
    expect(changed.status).toBe(200);
    expect(changed.body).toMatchObject({ name: "Ada", bio: "Gardens.", locale: "fa" });
    expect(changed.body).toMatchObject({ email: "ada@x.org", phone: "+4915112345678" });
    expect((await change(made.id, { name: null, bio: null })).body).toMatchObject({
      name: null,
      bio: null,
      locale: "fa",
    });
  });

  it.each([
    ["nothing", {}, ""],
    ["an unknown language", { locale: "de" }, "/locale"],
    ["no language", { locale: null }, "/locale"],
    ["an empty name", { name: "" }, "/name"],
    ["a long name", { name: "n".repeat(201) }, "/name"],
    ["a long bio", { bio: "b".repeat(2001) }, "/bio"],
    ["NUL", { bio: "a\0b" }, "/bio"],
    ["an address", { email: "new@x.org" }, "/email"],
    ["a number", { phone: "+4915112345679" }, "/phone"],
    ["a state", { is_active: false }, "/is_active"],
    ["a kind", { kind: "vendor" }, "/kind"],
    ["no upload", { avatar: randomUUID() }, "/avatar"],
    ["no id", { avatar: "https://x.org/a.jpg" }, "/avatar"],
  ])("does not take %s", async (_, body, pointer) => {
    const account = await stage.makeAccount();
    const { body: before } = await stage.call("/v1/me", { account });
    const refused = await change(account, body);
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, pointer]);
    expect((await stage.call("/v1/me", { account })).body).toEqual(before);
  });

  it("takes the longest texts", async () => {
    const account = await stage.makeAccount();
    const most = { name: "n".repeat(200), bio: "b".repeat(2000) };
    expect((await change(account, most)).body).toMatchObject(most);
  });
});

describe("an avatar", () => {
  it("is an upload that stays, with a URL that opens it", async () => {
    const account = await stage.makeAccount();
    const id = await upload(account);
    const { body } = await change(account, { avatar: id });
    expect(body.avatar.id).toBe(id);
    const { pathname, search } = new URL(body.avatar.url);
    expect((await stage.app.request(pathname + search)).status).toBe(200);
    const [blob] = await stage.db.admin`
      SELECT purpose, expires_at FROM ducat.blobs WHERE id = ${id}`;
    expect(blob).toEqual({ purpose: "avatar", expires_at: null });
    expect((await change(account, { avatar: id })).status).toBe(200);
    const input = { type: "photo", photo_id: id };
    const used = await stage.call("/v1/generations", {
      account,
      key: randomUUID(),
      body: order({ input }),
    });
    expect(used.body.errors[0].pointer).toBe("/input/photo_id");
  });

  it("leaves within the hour when another takes its place", async () => {
    const account = await stage.makeAccount();
    const [first, second] = [await upload(account), await upload(account)];
    await change(account, { avatar: first });
    await change(account, { avatar: second });
    const left = await stage.db.admin<{ id: string; leaves: boolean | null }[]>`
      SELECT id, expires_at < clock_timestamp() + interval '61 minutes' AS leaves
      FROM ducat.blobs WHERE account_id = ${account} ORDER BY id`;
    expect(left.map(({ id, leaves }) => [id, leaves])).toEqual([
      [first, true],
      [second, null],
    ]);
    expect((await change(account, { avatar: null })).body.avatar).toBeNull();
  });

  it("is no upload of another account, and no picture that was made", async () => {
    const [owner, stranger] = [await stage.makeAccount(), await stage.makeAccount()];
    const id = await upload(owner);
    const refused = await change(stranger, { avatar: id });
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, "/avatar"]);
    await stage.db.admin`UPDATE ducat.blobs SET purpose = 'output' WHERE id = ${id}`;
    expect((await change(owner, { avatar: id })).status).toBe(422);
  });
});
