import { Readable } from "node:stream";
import { fileHeaders } from "@ducat/storage/file-headers";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/files.ts";

/** Serves blobs by signed URL. Whatever is wrong with one, the answer is the same 404. */
export const fileRoutes = ({ blobs, urlSigner, now }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.openAPIRegistry.registerPath(operations.get as RouteConfig);

  app.get("/:key{.+}", async (c) => {
    const { expires, disposition, filename, signature } = c.req.query();
    const key = c.req.path.slice("/v1/files/".length);
    const verdict = urlSigner.verify({ key, expires, disposition, filename, signature });
    const blob = verdict.ok ? await blobs.read(verdict.key) : undefined;
    if (!verdict.ok || !blob) throw new DomainError("not_found");
    const maxAge = Math.max(0, Math.floor((verdict.expiresAt.getTime() - now()) / 1000));
    const headers = {
      ...fileHeaders({ ...verdict, size: blob.size }),
      "cache-control": `private, max-age=${maxAge}, immutable`,
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
