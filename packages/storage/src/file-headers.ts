import { typeOfKey } from "./blob-key.ts";
import type { Disposition } from "./signed-url.ts";

type Shown = { key: string; disposition: Disposition; filename?: string };

/**
 * A blob's content type and disposition. The type comes from our own key; only pictures are shown
 * in place, anything else is a download whatever the URL says.
 */
export function describeFile(file: Shown): { type: string; disposition: string } {
  const type = typeOfKey(file.key);
  const shown = type.startsWith("image/") ? file.disposition : "attachment";
  const name = file.filename === undefined ? "" : `; filename="${file.filename}"`;
  return { type, disposition: `${shown}${name}` };
}

/**
 * The headers a blob is served with. A browser may not guess another type, and a page that a file
 * might smuggle in can run nothing.
 */
export function fileHeaders(file: Shown & { size: number }): Record<string, string> {
  const { type, disposition } = describeFile(file);
  return {
    "content-type": type,
    "content-length": String(file.size),
    "content-disposition": disposition,
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
  };
}
