import type { ImportRow } from "../../../packages/db/src/imports.ts";
import { SaveVendor } from "../../../packages/types/src/vendors.ts";
import type { Row } from "../former.ts";
import { nameRow, readText } from "../read-values.ts";
import type { Person } from "../system.ts";

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Pictures to fetch, with what the gallery says of them. */
export function listImages({ rows }: Person): ImportRow["files"] {
  return (rows.images ?? []).flatMap((row) => {
    const url = readText(row.original_url, 2049);
    if (url === null || url.length > 2048) return [];
    const metadata = isObject(row.metadata) ? row.metadata : {};
    const isSmall = Buffer.byteLength(JSON.stringify(metadata)) <= 16_384;
    const tags = Array.isArray(row.tags) ? row.tags : [];
    const details = {
      file_name: readText(row.file_name, 255),
      is_public: row.is_public === true,
      tags: [...new Set(tags.flatMap((tag) => readText(tag, 50)?.toLowerCase() ?? []))].slice(
        0,
        20,
      ),
      metadata: { ...(isSmall && metadata), ...(row.type === "result" && { type: "result" }) },
      album_id: null,
    };
    return [{ key: nameRow("images", row.id), purpose: "image" as const, url, details }];
  });
}

/** Albums, each by a name of its own. Which pictures were in them, their tables don't say. */
export function listAlbums({ rows }: Person): ImportRow["albums"] {
  const names = new Set<string>();
  const sorted = [...(rows.albums ?? [])].sort((one, other) =>
    String(one.id) < String(other.id) ? -1 : 1,
  );
  return sorted.slice(0, 1000).map((row) => {
    const wanted = readText(row.name, 190) ?? "Album";
    let name = wanted;
    for (let n = 2; names.has(name); n++) name = `${wanted} (${n})`;
    names.add(name);
    return {
      name,
      description: readText(row.description, 2000),
      is_public: row.is_public === true,
    };
  });
}

/** What a vendor says of itself, as far as it fits what vendors may say here. */
export function readVendor(row: Row): { vendor: ImportRow["vendor"]; warnings: string[] } {
  const business_name = readText(row.business_name, 200) ?? "—";
  const info = isObject(row.profile_info) ? row.profile_info : {};
  const told = readText(info.description ?? info.about, 4000);
  const rest = Object.keys(info).length > 0 ? readText(JSON.stringify(info), 4000) : null;
  const contact = keepValid(row.contact_info, SaveVendor.shape.contact_info);
  const social = keepValid(row.social_links, SaveVendor.shape.social_links);
  return {
    vendor: {
      business_name,
      profile_info: told ?? rest,
      contact_info: contact.kept,
      social_links: social.kept,
      is_verified: row.is_verified === true,
    },
    warnings: [
      ...(contact.isLess ? ["contact_info_partly"] : []),
      ...(social.isLess ? ["social_links_partly"] : []),
    ],
  };
}

/** Those members that would be taken from a vendor here. */
function keepValid(
  value: unknown,
  schema: { safeParse(value: unknown): { success: boolean } },
): { kept: Record<string, string>; isLess: boolean } {
  if (!isObject(value)) return { kept: {}, isLess: false };
  const entries = Object.entries(value).filter(
    (entry): entry is [string, string] =>
      typeof entry[1] === "string" && schema.safeParse({ [entry[0]]: entry[1] }).success,
  );
  const kept = entries.slice(0, 20);
  return { kept: Object.fromEntries(kept), isLess: kept.length < Object.keys(value).length };
}
