import { createHash } from "node:crypto";
import { findCachedResult } from "@ducat/db/cached-results";
import type { Db } from "@ducat/db/connect";
import type { ClaimedItem } from "@ducat/db/items";
import type { Blobs } from "@ducat/storage/blobs";
import { BadOutput } from "../generators/bad-output.ts";
import type { Task } from "../generators/generator.ts";
import type { Log } from "../log.ts";
import { safeError } from "../safe-error.ts";
import { type CheckedOutput, checkPicture, checkText } from "./check-output.ts";
import { type ItemPrice, priceItem } from "./price-item.ts";

const maxPictureBytes = 32 * 1024 * 1024;

/**
 * The hash of all that an item's result depends on: the style's version, the input (of a photo its
 * pixels, wherever they came from), the label, the params, and which of several for the same area
 * it is: those are to differ. Undefined where results are not kept for others.
 */
export function makeResultKey(item: ClaimedItem, input: Task["input"]): Buffer | undefined {
  if (item.cache_days <= 0) return undefined;
  if (input.type === "photo" && input.photo.length === 0) return undefined;
  const { style_id, style_version, label, params, item_position, terms } = item;
  const made = input.type === "photo" ? { type: "photo", photo: hash(input.photo) } : input;
  const copy = item_position % (terms?.n ?? 1);
  const all = [style_id, style_version, made, label, params, copy];
  return createHash("sha256")
    .update(JSON.stringify(sortMembers(all)))
    .digest();
}

type ReuseDeps = { db: Db; blobs: Blobs; log: Log };
export type Reused = ItemPrice & {
  status: "completed";
  made: CheckedOutput;
  usage: { cached: true };
};

/**
 * An item's result out of what its account has made before, as its own copy and at the price that
 * the style has for that; undefined where there is none that is still whole. Nobody is asked for
 * it, so it is never in the way: when it can't be read the item is made.
 */
export async function reuseResult(
  { db, blobs, log }: ReuseDeps,
  item: ClaimedItem,
  key: Buffer | undefined,
): Promise<Reused | undefined> {
  if (!key) return undefined;
  try {
    const found = await findCachedResult(db, item.account_id, { key, days: item.cache_days });
    if (!found || found.output.kind !== item.kind) return undefined;
    const made = await copy(blobs, item, found.output);
    if (!made) return undefined;
    const { input_tokens: inputTokens, output_tokens: outputTokens } = found.usage ?? {};
    const took = {
      ...(inputTokens !== undefined && { inputTokens }),
      ...(outputTokens !== undefined && { outputTokens }),
    };
    const price = priceItem(item, { link: { index: 0 }, usage: { ...took, cached: true } });
    return { status: "completed", made, usage: { cached: true }, ...price };
  } catch (error) {
    const { item_id } = item;
    log.warn({ item: item_id, err: safeError(error) }, "a result that is there was not usable");
    return undefined;
  }
}

async function copy(
  blobs: Blobs,
  item: ClaimedItem,
  output: NonNullable<Awaited<ReturnType<typeof findCachedResult>>>["output"],
): Promise<CheckedOutput | undefined> {
  if (output.kind === "text") return checkText(output.text);
  const bytes = await blobs.readBytes(output.key, maxPictureBytes);
  if (!bytes) return undefined;
  if (hash(bytes) !== output.sha256) throw new BadOutput("its file has changed");
  return await checkPicture(item, { bytes });
}

const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** The same for every order of members. */
function sortMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortMembers);
  if (typeof value !== "object" || value === null) return value;
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([name, member]) => [name, sortMembers(member)]);
}
