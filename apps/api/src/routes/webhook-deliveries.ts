import {
  type Delivery,
  findDelivery,
  listDeliveries,
  replayDeliveries,
  replayDelivery,
  searchDeliveries,
} from "@ducat/db/webhook-deliveries";
import { findEndpoint, testEndpoint } from "@ducat/db/webhook-endpoints";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { answerList } from "../answer-list.ts";
import { auditOf } from "../audit.ts";
import { type FindAccount, requireScope } from "../auth.ts";
import { deliveryColumns } from "../csv/columns.ts";
import { cutPage, makeCursor, readCursor } from "../cursor.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { allDeliveries } from "../operations/webhook-endpoints.ts";
import { showAnyDelivery, showDelivery, showDeliveryDetail } from "../show-webhook.ts";
import type { Owned } from "./webhook-endpoints.ts";

/** What was sent to an owner's endpoints, and sending it again. */
export function addDeliveryRoutes(
  app: OpenAPIHono<AppEnv>,
  { db }: Pick<Deps, "db">,
  { operations, ownerOf }: Owned,
): void {
  app.openapi(operations.test, async (c) => {
    const sent = await testEndpoint(db, ownerOf(c), {
      ...{ ...c.req.valid("param"), audit: auditOf(c) },
    });
    return c.json(showDelivery(sent), 201);
  });

  app.openapi(operations.deliveries, async (c) => {
    const { id: endpointId } = c.req.valid("param");
    const { limit, cursor, ...filter } = c.req.valid("query");
    const asked = { ...filter, endpointId, before: readCursor("delivery", cursor) };
    const [endpoint, found] = await Promise.all([
      findEndpoint(db, ownerOf(c), endpointId),
      listDeliveries(db, ownerOf(c), { ...asked, limit: limit + 1 }),
    ]);
    if (!endpoint) throw new DomainError("not_found");
    const toCursor = ({ id }: Delivery) => makeCursor("delivery", id);
    const { entries, next_cursor } = cutPage(found, limit, toCursor);
    return c.json({ data: entries.map(showDelivery), next_cursor }, 200);
  });

  app.openapi(operations.delivery, async (c) => {
    const { id: endpointId, delivery_id: id } = c.req.valid("param");
    const found = await findDelivery(db, ownerOf(c), { endpointId, id });
    if (!found) throw new DomainError("not_found");
    return c.json(showDeliveryDetail(found), 200);
  });

  app.openapi(operations.replayOne, async (c) => {
    const { id: endpointId, delivery_id: id } = c.req.valid("param");
    const wanted = { endpointId, id, audit: auditOf(c) };
    return c.json(showDelivery(await replayDelivery(db, ownerOf(c), wanted)), 200);
  });

  app.openapi(operations.replay, async (c) => {
    const { dry_run: dryRun, ...filter } = c.req.valid("json");
    const endpointId = c.req.valid("param").id;
    const wanted = { ...filter, dryRun, endpointId, audit: auditOf(c) };
    const ids = await replayDeliveries(db, ownerOf(c), wanted);
    return c.json({ dry_run: dryRun, count: ids.length, ids }, 200);
  });
}

/** For people who run this: what is on its way to anybody. */
export const adminDeliveryRoutes = (deps: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(allDeliveries, async (c) => {
    const query = c.req.valid("query");
    const { account, endpoint: endpointId, status, type, from, to } = query;
    const accountId = account === undefined ? undefined : await findAccount(account);
    const filter = { status, type, from, to, endpointId, accountId };
    return await answerList(c, deps, {
      list: searchDeliveries(deps.db, filter),
      show: (rows) => rows.map(showAnyDelivery),
      ...{ kind: "delivery", name: "deliveries", columns: deliveryColumns, query },
    });
  });

  return app;
};
