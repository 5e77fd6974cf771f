/**
 * Keys are made by the server and by nothing else: an upload's name never reaches the disk.
 * The first part is the account, so one prefix holds everything that belongs to a tenant.
 */
const uuid = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const part = "(?:[0-9a-f-]{1,64}|inputs|thumbnails)";
const keyPattern = new RegExp(`^${uuid}(?:/${part}){1,4}\\.(?:webp|png|jpg|txt|json)$`);
const prefixPattern = new RegExp(`^${uuid}(?:/${part}){0,4}/$`);
const maxKeyLength = 200;

const types = {
  webp: "image/webp",
  png: "image/png",
  jpg: "image/jpeg",
  txt: "text/plain; charset=utf-8",
  json: "application/json",
} as const;

export type BlobExtension = keyof typeof types;

/** Whether this is a key as we make them. Anything else never touches a path or a bucket. */
export function isBlobKey(key: unknown): key is string {
  return typeof key === "string" && key.length <= maxKeyLength && keyPattern.test(key);
}

/** Whether this names a folder of keys: `<account>/` or deeper, with the slash at its end. */
export function isBlobPrefix(prefix: unknown): prefix is string {
  return typeof prefix === "string" && prefix.length <= maxKeyLength && prefixPattern.test(prefix);
}

/** The key of an uploaded photo. `id` is the upload's uuid. */
export function inputKey(accountId: string, id: string): string {
  return checked(`${accountId}/inputs/${id}.webp`);
}

/** The key of a picture that stands small for another; `id` is a uuid of its own. */
export function thumbnailKey(accountId: string, id: string): string {
  return checked(`${accountId}/thumbnails/${id}.webp`);
}

/** The key of a result: one per attempt and content, so a repeated write is the same write. */
export function outputKey(output: {
  accountId: string;
  itemId: string;
  attempt: number;
  sha256: string;
  extension: BlobExtension;
}): string {
  const { accountId, itemId, attempt, sha256, extension } = output;
  return checked(`${accountId}/${itemId}/${attempt}/${sha256}.${extension}`);
}

/** The content type a key is served with. It comes from our own naming, never from a client. */
export function typeOfKey(key: string): string {
  return types[checked(key).split(".").at(-1) as BlobExtension];
}

/**
 * The key of the small picture of a result. It has a folder of its own: of a picture that is small
 * already it can be the very bytes of the result.
 */
export function resultThumbnailKey(thumbnail: {
  accountId: string;
  itemId: string;
  attempt: number;
  sha256: string;
}): string {
  const { accountId, itemId, attempt, sha256 } = thumbnail;
  return checked(`${accountId}/${itemId}/${attempt}/thumbnails/${sha256}.webp`);
}

/** The account a key belongs to. */
export function accountOfKey(key: string): string {
  return checked(key).slice(0, 36);
}

function checked(key: string): string {
  // The key itself stays out of the message: it may be hostile text on its way to a log.
  if (!isBlobKey(key)) throw new Error("This is not a blob key.");
  return key;
}
