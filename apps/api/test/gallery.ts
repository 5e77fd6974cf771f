import { randomUUID } from "node:crypto";
import { insertUpload } from "@ducat/db/blobs";
import { inputKey } from "@ducat/storage/blob-key";
import { loadCatalog } from "../../../infra/catalog/load-catalog.ts";
import { makeForm, makePhoto, type Part } from "./pictures.ts";
import { settle } from "./settle.ts";
import { type Answer, order, type Stage } from "./stage.ts";

const tiny = makePhoto(48, 32);

/** Users have five places in the gallery then, vendors ten. */
export const sellStylist = ({ db }: Stage) => loadCatalog({ adminUrl: db.url, catalog: "stylist" });

/** An account of a vendor; its id. */
export async function makeVendor(stage: Stage): Promise<string> {
  const body = { external_id: randomUUID(), kind: "vendor" };
  return (await stage.call("/v1/accounts", { body })).body.id;
}

/** Uploads a small photo, or this part; the answer. */
export async function upload(
  stage: Stage,
  account: string,
  part: Partial<Part> = {},
): Promise<Answer> {
  const { raw, headers } = makeForm([{ bytes: await tiny, ...part }]);
  return await stage.call("/v1/uploads", { account, raw, headers });
}

/** Many uploads at once, as if each had been sent; their ids. */
export async function storeUploads(
  { deps }: Stage,
  account: string,
  count: number,
): Promise<string[]> {
  const { bytes, ...shape } = await deps.imageIntake.intake(await tiny);
  const store = async () => {
    const stored = await deps.blobs.put(inputKey(account, randomUUID()), bytes);
    const row = { ...shape, ...stored, lifetimeSeconds: 600 };
    return (await insertUpload(deps.db, account, row)).id;
  };
  return await Promise.all(Array.from({ length: count }, store));
}

/** Uploads a small photo and keeps it; the answer to that. */
export async function keepUpload(
  stage: Stage,
  account: string,
  details: object = {},
): Promise<Answer> {
  const { id } = (await upload(stage, account)).body;
  return await stage.call("/v1/images", { account, body: { upload_id: id, ...details } });
}

/** A generation that has made a picture of 640 by 480. */
export async function makeResult(
  stage: Stage,
  account: string,
): Promise<{ id: string; itemId: string }> {
  const { body } = await stage.call("/v1/generations", {
    account,
    key: randomUUID(),
    body: order(),
  });
  await settle(stage, account, body, ["completed"]);
  const [row] = await stage.db.admin`
    SELECT key FROM ducat.blobs WHERE generation_id = ${body.id} AND purpose = 'output'`;
  await stage.deps.blobs.put(row?.key, await makePhoto());
  return { id: body.id, itemId: body.items[0].id };
}

/** What a signed URL opens now. */
export async function openUrl({ app }: Stage, url: string): Promise<Response> {
  const { pathname, search } = new URL(url);
  return await app.request(pathname + search);
}

/** The keys of all files that are stored. */
export async function listFiles({ deps }: Stage): Promise<string[]> {
  const keys: string[] = [];
  const tomorrow = new Date(Date.now() + 86_400_000);
  for await (const { key } of deps.blobs.listOlderThan(tomorrow)) keys.push(key);
  return keys.sort();
}
