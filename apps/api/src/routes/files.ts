import { Readable } from "node:stream";
import type { Blobs } from "@ducat/storage/blobs";
import { fileHeaders } from "@ducat/storage/file-headers";
import type { Verdict } from "@ducat/storage/signed-url";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/files.ts";

/** A browser that keeps a redirect still needs the time to follow it. */
const followSeconds = 30;

type Allowed = Extract<Verdict, { ok: true }>;

/**
 * Serves blobs by signed URL, or sends to the store where it has links of its own. Whatever is
 * wrong with a URL, the answer is the same 404.
 */
export const fileRoutes = ({ blobs, urlSigner, now }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.openAPIRegistry.registerPath(operations.get as RouteConfig);
  const secondsUntil = (date: Date) => Math.max(0, Math.floor((date.getTime() - now()) / 1000));

  const redirect = async (
    c: Context<AppEnv>,
    { key, disposition, filename, expiresAt }: Allowed,
    link: NonNullable<Blobs["link"]>,
  ) => {
    // A link is signed for its method, and HEAD is answered by the handler of GET.
    const method = c.req.raw.method === "HEAD" ? "HEAD" : "GET";
    const shown = { disposition, ...(filename !== undefined && { filename }) };
    const made = await link(key, { ...shown, method, expiresAt });
    const maxAge = Math.max(0, secondsUntil(made.expiresAt) - followSeconds);
    const headers = { location: made.url, "cache-control": `private, max-age=${maxAge}` };
    return c.body(null, 302, { ...headers, "cross-origin-resource-policy": "cross-origin" });
  };

  app.get("/:key{.+}", async (c) => {
    const { expires, disposition, filename, signature } = c.req.query();
    const key = c.req.path.slice("/v1/files/".length);
    const verdict = urlSigner.verify({ key, expires, disposition, filename, signature });
    if (!verdict.ok) throw new DomainError("not_found");
    if (blobs.link) return redirect(c, verdict, blobs.link);
    const blob = await blobs.read(verdict.key);
    if (!blob) throw new DomainError("not_found");
    const headers = {
      ...fileHeaders({ ...verdict, size: blob.size }),
      "cache-control": `private, max-age=${secondsUntil(verdict.expiresAt)}, immutable`,
    };
    // HEAD is answered by this handler too, and an unread stream would keep its file open.
    if (c.req.raw.method === "HEAD") {
      blob.stream.destroy();
      return c.body(null, 200, headers);
    }
    return c.body(Readable.toWeb(blob.stream) as ReadableStream, 200, headers);
  });

  return app;
};
