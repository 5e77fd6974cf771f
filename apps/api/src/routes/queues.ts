import { randomBytes } from "node:crypto";
import {
  makeQueueTicket,
  mayAdminister,
  noteQueueAct,
  takeQueueTicket,
} from "@ducat/db/queue-tickets";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { hashKey } from "../api-key.ts";
import { auditOf } from "../audit.ts";
import { requireScope } from "../auth.ts";
import { readBytes } from "../body.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/queues.ts";
import { createQueueBoard, type QueueBoard } from "../queue-board.ts";

const path = operations.queuesPath;
const ticketSeconds = 60;
const mostBytes = 64 * 1024;

/** Behind a key: the way in for a browser. */
export const queueTicketRoutes = ({ db, publicUrl, now }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(operations.open.path, requireScope("admin"));

  app.openapi(operations.open, async (c) => {
    const ticket = randomBytes(24).toString("base64url");
    const sessionId = c.var.principal.sessionId ?? null;
    const kept = { hash: hashKey(ticket), sessionId, seconds: ticketSeconds, audit: auditOf(c) };
    if (!(await makeQueueTicket(db, kept))) throw new DomainError("forbidden");
    const expires_at = new Date(now() + ticketSeconds * 1000).toISOString();
    return c.json({ url: `${publicUrl}${path}/enter?ticket=${ticket}`, expires_at }, 201);
  });

  return app;
};

/** Everything comes from here. The page styles elements and draws from data: images. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'self'; " +
  "form-action 'none'; frame-ancestors 'none'";

/** For browsers that came in with a ticket: the dashboard of both queues. */
export const queueBoardRoutes = (deps: Deps) => {
  const { db, queue, queueCookies } = deps;
  const board = createQueueBoard(queue);
  const app = new OpenAPIHono<AppEnv>();

  app.openapi(operations.enter, async (c) => {
    const { ticket } = c.req.valid("query");
    // What looks at links before people do takes nothing.
    if (c.req.raw.method === "HEAD") return c.html("", 200);
    const visitor = ticket && (await takeQueueTicket(db, hashKey(ticket)));
    if (!visitor) throw new DomainError("unauthenticated", { detail: "Ask for another ticket." });
    c.header("Set-Cookie", queueCookies.make(visitor));
    // Not a redirect: a browser that came from elsewhere would go on without the strict cookie.
    return c.html(leadTo(`${path}/`), 200);
  });

  const requireVisitor = letVisitorsIn(deps);
  for (const { method, path: at, run } of board.acts) {
    app.on(method, `${path}${at}`, requireVisitor, async (c) => {
      const isReading = method === "GET";
      const body = isReading ? {} : await readOwnJson(c);
      const what = `${method} ${c.req.path.slice(path.length)}`;
      if (!isReading) await noteQueueAct(db, { what, audit: auditOf(c) });
      const answer = await run({ params: c.req.param(), query: c.req.query(), body });
      if (answer.status === 204) return c.body(null, 204);
      return c.json(answer.body as object, answer.status as 200);
    });
  }
  for (const at of ["", ...board.pages]) {
    app.get(`${path}${at}`, requireVisitor, (c) =>
      c.html(board.page(`${path}/`), 200, { "content-security-policy": policy }),
    );
  }
  app.get(`${path}/static/:name{.+}`, requireVisitor, (c) => sendFile(c, board));
  return app;
};

/**
 * Asks the cookie who it is and the database whether they still may. Nothing is changed by a page
 * of another origin. Errors: unauthenticated, forbidden.
 */
function letVisitorsIn({ db, queueCookies, publicUrl }: Deps): MiddlewareHandler<AppEnv> {
  const { origin } = new URL(publicUrl);
  return async (c, next) => {
    const visitor = queueCookies.read(c.req.header("cookie"));
    if (!visitor) {
      const detail = "Ask for a way in with POST /v1/admin/queues/session.";
      throw new DomainError("unauthenticated", { detail });
    }
    if (!(await mayAdminister(db, visitor))) throw new DomainError("forbidden");
    const isReading = ["GET", "HEAD"].includes(c.req.method);
    if (!isReading && c.req.header("origin") !== origin) throw new DomainError("forbidden");
    c.set("principal", { kind: "session", actor: visitor.actor, scopes: ["admin"] });
    await next();
  };
}

/** The page sends a body with some acts only, and then JSON. */
async function readOwnJson(c: Context<AppEnv>): Promise<Record<string, unknown>> {
  const bytes = await readBytes(c, mostBytes);
  try {
    const value: unknown = JSON.parse(bytes.toString() || "{}");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch (error) {
    throw new DomainError("malformed_body", {}, { cause: error });
  }
}

function sendFile(c: Context<AppEnv>, board: QueueBoard): Response {
  const file = board.findFile(c.req.param("name") ?? "");
  if (!file) throw new DomainError("not_found");
  const headers = { "content-type": file.type, "cache-control": "private, max-age=3600" };
  return c.body(new Uint8Array(file.bytes), 200, headers);
}

const leadTo = (path: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=${path}">
<title>Ducat queues</title>
</head>
<body><p><a href="${path}">To the queues</a></p></body>
</html>
`;
