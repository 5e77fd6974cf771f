import { randomBytes } from "node:crypto";
import { listEvents } from "@ducat/db/events";
import { makeStreamTicket } from "@ducat/db/stream-tickets";
import { DomainError } from "@ducat/types/errors";
import type { Event } from "@ducat/types/events";
import { OpenAPIHono } from "@hono/zod-openapi";
import { hashKey } from "../api-key.ts";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/events.ts";
import { createAccountCursor, findAccountPlace } from "../streams/account-cursor.ts";
import { openStream, readPlace, type StreamDeps } from "../streams/open-stream.ts";
import { readAccountPosition } from "../streams/position.ts";

const ticketSeconds = 60;

export const eventRoutes = (deps: Deps & StreamDeps, findAccount: FindAccount) => {
  const { db } = deps;
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("events"), requireAccount(findAccount));

  app.openapi(operations.list, async (c) => {
    const { after, type: types, limit } = c.req.valid("query");
    const { accountId: account_id } = c.var;
    const { events, next } = await listEvents(db, account_id, { after, types, limit });
    const data = events.map(
      ({ id, type, created_at, data }) => ({ id, type, created_at, account_id, data }) as Event,
    );
    return c.json({ data, next_cursor: next ?? null }, 200);
  });

  app.openapi(operations.stream, async (c) => {
    const { accountId } = c.var;
    const place = readPlace(c, c.req.valid("query").after);
    const from = place && readAccountPosition(place.text, place.pointer);
    const makeCursor = async () =>
      createAccountCursor(db, accountId, await findAccountPlace(db, accountId, from));
    const opened = await openStream(c, deps, { generationId: undefined, makeCursor });
    if (!opened) throw new DomainError("not_found");
    return opened;
  });

  app.openapi(operations.createTicket, async (c) => {
    const { accountId, principal } = c.var;
    const { actor, sessionId, scopes, endsAt } = principal;
    const ticket = randomBytes(24).toString("base64url");
    const expires = await makeStreamTicket(db, {
      ...{ accountId, actor, sessionId, scopes: [...scopes], hash: hashKey(ticket) },
      generationId: c.req.valid("json").generation_id,
      endsAt: endsAt === undefined ? undefined : new Date(endsAt),
      seconds: ticketSeconds,
    });
    if (!expires) throw new DomainError("unauthenticated");
    return c.json({ ticket, expires_at: expires.toISOString() }, 201);
  });

  return app;
};
