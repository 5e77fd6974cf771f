import { findStatus } from "@ducat/db/generations";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { AppEnv } from "../deps.ts";
import * as operations from "../operations/events.ts";
import { createGenerationCursor } from "../streams/generation-cursor.ts";
import { openStream, readPlace, type StreamDeps } from "../streams/open-stream.ts";
import { readGenerationPosition } from "../streams/position.ts";

const beginning = () => ({ endedNo: 0, seen: new Map() });

/** Mounted behind the checks of routes/generations.ts. */
export const generationEventRoutes = (deps: StreamDeps) => {
  const app = new OpenAPIHono<AppEnv>();

  app.openapi(operations.streamGeneration, async (c) => {
    const { accountId } = c.var;
    const { id } = c.req.valid("param");
    const place = readPlace(c, c.req.valid("query").after);
    const from = place ? readGenerationPosition(place.text, place.pointer) : beginning();
    const makeCursor = () => createGenerationCursor(deps, { accountId, id }, from);
    const opened = await openStream(c, deps, { generationId: id, makeCursor });
    if (opened) return opened;
    if (!(await findStatus(deps.db, accountId, id))) throw new DomainError("not_found");
    return c.body(null, 204);
  });

  return app;
};
