import { randomUUID } from "node:crypto";
import { Portfolio } from "@ducat/types/images";
import { VendorPage } from "@ducat/types/vendors";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keepUpload, makeVendor, openUrl, upload } from "../../test/gallery.ts";
import { type Stage, setStage } from "../../test/stage.ts";

/** In everything that is not for everybody. */
const secret = "secret-5c81ab";

let stage: Stage;
let vendor: string;
beforeAll(async () => {
  stage = await setStage();
  vendor = await makeVendor(stage);
});
afterAll(() => stage.close());

const read = (path: string) => stage.call(`/v1/vendors/${path}`, { bearer: null });
const portfolio = async (query = "", id = vendor) => {
  const { status, body } = await read(`${id}/portfolio?${query}`);
  expect(status).toBe(200);
  return Portfolio.parse(body).data;
};
const makeAlbum = async (name: string, is_public: boolean): Promise<string> =>
  (await stage.call("/v1/albums", { account: vendor, body: { name, is_public } })).body.id;

describe("a vendor's portfolio", () => {
  it("shows what is public to everybody, and nothing else", async () => {
    const shown = await makeAlbum("Roofs", true);
    const hidden = await makeAlbum(secret, false);
    const metadata = { note: secret };
    const isPublic = { is_public: true, metadata };
    await keepUpload(stage, vendor, { ...isPublic, file_name: "a", tags: ["x"], album_id: shown });
    await keepUpload(stage, vendor, { ...isPublic, file_name: "b", album_id: hidden });
    await keepUpload(stage, vendor, { metadata, file_name: secret, tags: ["x", secret] });
    const found = await portfolio();
    expect(found.map(({ file_name, album_id }) => [file_name, album_id])).toEqual([
      ["b", null],
      ["a", shown],
    ]);
    for (const { url, thumbnail } of found) {
      expect((await openUrl(stage, url)).status).toBe(200);
      expect((await openUrl(stage, thumbnail.url)).status).toBe(200);
    }
    expect(JSON.stringify(found)).not.toContain(secret);
    const names = async (query: string) => (await portfolio(query)).map((one) => one.file_name);
    expect(await names("tags=x")).toEqual(["a"]);
    expect(await names(`tags=${secret}`)).toEqual([]);
    expect(await names(`query=${secret}`)).toEqual([]);
    expect(await names(`album_id=${shown}`)).toEqual(["a"]);
    expect(await names(`album_id=${hidden}`)).toEqual([]);
    const first = (await read(`${vendor}/portfolio?limit=1`)).body;
    expect(await names(`limit=1&cursor=${first.next_cursor}`)).toEqual(["a"]);
    const page = await read(vendor);
    expect(VendorPage.parse(page.body).albums).toEqual([
      { id: shown, name: "Roofs", description: null, image_count: 1 },
    ]);
    expect(page.text).not.toContain(secret);
  });

  it("ends with being public", async () => {
    const id = await makeVendor(stage);
    const image = (await keepUpload(stage, id, { is_public: true })).body;
    expect(await portfolio("", id)).toHaveLength(1);
    const body = { is_public: false };
    await stage.call(`/v1/images/${image.id}`, { account: id, method: "PATCH", body });
    expect(await portfolio("", id)).toHaveLength(0);
  });

  it("says who the vendor is, as far as they say it themselves", async () => {
    const id = await makeVendor(stage);
    const empty = VendorPage.parse((await read(id)).body);
    expect(empty).toEqual({
      ...{ id, business_name: null, profile_info: null, contact_info: {}, social_links: {} },
      ...{ is_verified: false, avatar_url: null, albums: [] },
    });
    const contact_info = { website: "https://roofs.example" };
    const profile = { business_name: "Roofs & Sons", contact_info };
    await stage.call("/v1/vendor", { account: id, method: "PUT", body: profile });
    const avatar = (await upload(stage, id)).body.id;
    const me = { name: secret, bio: secret, avatar };
    await stage.call("/v1/me", { account: id, method: "PATCH", body: me });
    await stage.call(`/v1/admin/accounts/${id}/vendor/verify`, { method: "POST" });
    const page = await read(id);
    const { avatar_url, ...told } = VendorPage.parse(page.body);
    expect(told).toMatchObject({ ...profile, is_verified: true });
    expect((await openUrl(stage, avatar_url ?? "")).status).toBe(200);
    expect(page.text).not.toContain(secret);
  });

  it("is none of a user, of nobody, of one who is not active or erased", async () => {
    const user = await stage.makeAccount();
    await keepUpload(stage, user, { is_public: true });
    const [inactive, erased] = [await makeVendor(stage), await makeVendor(stage)];
    for (const id of [inactive, erased]) await keepUpload(stage, id, { is_public: true });
    await stage.call(`/v1/admin/accounts/${inactive}/deactivate`, { method: "POST" });
    await stage.call("/v1/me", { account: erased, method: "DELETE" });
    const answers = await Promise.all(
      [user, randomUUID(), inactive, erased, "x", `x-${vendor}`].flatMap((id) => [
        read(id),
        read(`${id}/portfolio`),
      ]),
    );
    for (const { status, body } of answers) {
      const { request_id: _, ...rest } = body;
      expect([status, rest]).toEqual([404, expect.objectContaining({ code: "not_found" })]);
      expect(Object.keys(rest).sort()).toEqual(["code", "status", "title", "type"]);
    }
  });

  it("is asked for by what it has, and nothing more", async () => {
    for (const query of ["is_public=false", "kind=user", "count=true", "limit=0", "cursor=x"]) {
      const { status } = await read(`${vendor}/portfolio?${query}`);
      expect([query, status]).toEqual([query, 422]);
    }
  });
});
