import { OpenAPIHono } from "@hono/zod-openapi";
import { enqueueBatch } from "../batches/enqueue-batch.ts";
import { orderBatch } from "../batches/order-batch.ts";
import { prepareBatch } from "../batches/prepare-batch.ts";
import { readBatch } from "../batches/read-batch.ts";
import { showBatch } from "../batches/show-batch.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { markReplay, readRequestKey } from "../idempotency.ts";
import { noteBalance } from "../note-alerts.ts";
import * as operations from "../operations/batches.ts";
import { createSlots } from "../slots.ts";
import { checkWebhookUrl } from "../webhook-url.ts";

/** The route that takes rows. */
export const batchRoutes = (deps: Deps) => {
  // Each has up to 16 MiB of text in memory, and what is made of it.
  const holdBody = createSlots({ slots: 2, mostWaiting: 20 }, "Too many batches at once.");

  const app = new OpenAPIHono<AppEnv>();
  app.openAPIRegistry.register("CreateBatch", operations.createBatchBody);

  app.openapi(operations.createBatch, async (c) => {
    const { accountId } = c.var;
    const made = await holdBody(async () => {
      const asked = await readBatch(c);
      checkWebhookUrl(deps, asked.options.webhook_url, "/webhook_url");
      const requestKey = { ...readRequestKey(c), style: asked.options.style };
      const prepare = () => prepareBatch(deps, accountId, { ...requestKey, asked });
      return await orderBatch(deps, accountId, { ...requestKey, prepare });
    });
    if (!made.replayed) {
      noteBalance(deps, accountId, made.balance_after);
      await enqueueBatch(deps, accountId, made);
    }
    markReplay(c, made.replayed);
    return c.json(showBatch(made), 201);
  });

  return app;
};
