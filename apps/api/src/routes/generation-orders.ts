import { type CreatedGeneration, findGeneration, type Generation } from "@ducat/db/generations";
import { DomainError } from "@ducat/types/errors";
import type { CreateGeneration } from "@ducat/types/generations";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { enqueueBatch } from "../batches/enqueue-batch.ts";
import { retryBatch } from "../batches/retry-batch.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { estimateGeneration } from "../estimate.ts";
import { markReplay, readRequestKey } from "../idempotency.ts";
import { noteBalance } from "../note-alerts.ts";
import * as operations from "../operations/generations.ts";
import { orderGeneration } from "../order-generation.ts";
import { resolveInput } from "../resolve-input.ts";
import { showCreated, showCreatedBatch, showGeneration } from "../show-generation.ts";
import { createWaiter, readPreferredWait } from "../wait-for-end.ts";
import { checkWebhookUrl } from "../webhook-url.ts";

/** The routes that ask for work: estimate, create, retry. */
export const generationOrderRoutes = (deps: Deps) => {
  const { db, urlSigner, enqueue } = deps;
  const waitForEnd = createWaiter(deps);

  /** Hands a new generation to the workers and answers as the caller prefers. */
  const answerCreated = async (c: Context<AppEnv>, made: CreatedGeneration) => {
    const { accountId } = c.var;
    if (!made.replayed) {
      noteBalance(deps, accountId, made.balance_after);
      await enqueue.add({ accountId, generationId: made.id, itemIds: made.item_ids });
    }
    markReplay(c, made.replayed);
    const seconds = readPreferredWait(c.req.header("prefer"));
    // The signal is made when it is asked for, and costs as much as the rest of the answer.
    const ended =
      seconds > 0 &&
      (await waitForEnd({ accountId, id: made.id, seconds, signal: c.req.raw.signal }));
    const row = ended ? await findGeneration(db, accountId, made.id) : undefined;
    if (!row) return c.json(showCreated(made), 201);
    c.header("Preference-Applied", `wait=${seconds}`);
    return c.json(showGeneration(row, urlSigner), 200);
  };

  const app = new OpenAPIHono<AppEnv>();

  app.openapi(operations.estimate, async (c) =>
    c.json(await estimateGeneration(deps, c.var.accountId, c.req.valid("json")), 200),
  );

  app.openapi(operations.create, async (c) => {
    const { areas = [{}], n = 1, params = {}, webhook_url, ...body } = c.req.valid("json");
    checkWebhookUrl(deps, webhook_url, "/webhook_url");
    const { accountId } = c.var;
    const asked = { ...readRequestKey(c), input: body.input, params };
    const made = await orderGeneration(deps, accountId, {
      ...body,
      ...asked,
      input: await resolveInput(deps, accountId, asked),
      webhookUrl: webhook_url,
      areas: areas.length,
      n,
      labels: listLabels(areas, n),
    });
    return answerCreated(c, made);
  });

  app.openapi(operations.retry, async (c) => {
    const { accountId } = c.var;
    const requestKey = readRequestKey(c);
    const row = await findGeneration(db, accountId, c.req.valid("param").id);
    if (!row) throw new DomainError("not_found");
    if (row.batch) {
      const retried = await retryBatch(deps, accountId, { ...requestKey, row });
      if (!retried.replayed) {
        noteBalance(deps, accountId, retried.balance_after);
        await enqueueBatch(deps, accountId, retried);
      }
      markReplay(c, retried.replayed);
      return c.json(showCreatedBatch(retried), 201);
    }
    const again = row.items.filter(({ status }) => status === "failed" || status === "canceled");
    if (!row.completed_at || again.length === 0) {
      throw new DomainError("invalid_state", { extra: { status: row.status } });
    }
    const made = await orderGeneration(deps, accountId, {
      ...requestKey,
      ...toAsked(row),
      input: await resolveInput(deps, accountId, { ...requestKey, ...row }),
      labels: again.map(({ label }) => label),
    });
    return answerCreated(c, made);
  });

  return app;
};

/** What is asked for once more: all but the input, which may be gone, and which items. */
const toAsked = ({ id, style_id: style, params, metadata, ...row }: Generation) => ({
  ...{ style, params, metadata, retryOf: id },
  subject: row.subject ?? undefined,
  reference: row.reference ?? undefined,
  webhookUrl: row.webhook_url ?? undefined,
});

/** The label of each item: `n` of them for every area. */
const listLabels = (areas: NonNullable<CreateGeneration["areas"]>, n: number) =>
  areas.flatMap((area) =>
    Array<string | null>(n).fill(typeof area === "string" ? area : (area.label ?? null)),
  );
