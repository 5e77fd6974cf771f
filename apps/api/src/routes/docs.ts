import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { AppEnv } from "../deps.ts";
import * as operations from "../operations/health.ts";

const types: Record<string, string> = {
  "start.js": "text/javascript; charset=utf-8",
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
  "favicon-32x32.png": "image/png",
};

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ducat API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

/** The validator is another site's: without null the page would send our description there. */
const start = `SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
});
`;

/** Everything comes from here. Swagger UI writes style attributes and draws from data: images. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

/** The page that shows /openapi.json, from files of our own. */
export const docsRoutes = () => {
  const folder = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
  const headers = { "content-security-policy": policy, "cache-control": "public, max-age=3600" };
  const app = new OpenAPIHono<AppEnv>();

  app.openapi(operations.docs, (c) => c.html(page, 200, headers));

  app.openapi(operations.docsFile, async (c) => {
    const { file } = c.req.valid("param");
    const type = Object.hasOwn(types, file) ? types[file] : undefined;
    if (!type) throw new DomainError("not_found");
    const bytes = file === "start.js" ? Buffer.from(start) : await readFile(join(folder, file));
    return c.body(new Uint8Array(bytes), 200, { ...headers, "content-type": type });
  });

  return app;
};
