import { typeOfKey } from "./blob-key.ts";
import type { Disposition } from "./signed-url.ts";

/**
 * The headers a blob is served with. The type comes from our own key, a browser may not guess
 * another one, and a page that a file might smuggle in can run nothing. Only pictures are shown
 * in place; anything else is a download whatever the URL says.
 */
export function fileHeaders(file: {
  key: string;
  size: number;
  disposition: Disposition;
  filename?: string;
}): Record<string, string> {
  const type = typeOfKey(file.key);
  const shown = type.startsWith("image/") ? file.disposition : "attachment";
  const name = file.filename === undefined ? "" : `; filename="${file.filename}"`;
  return {
    "content-type": type,
    "content-length": String(file.size),
    "content-disposition": `${shown}${name}`,
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
  };
}
