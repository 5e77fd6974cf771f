import {
  captureHold,
  consumeCredits,
  countEntries,
  findBalance,
  type HoldResult,
  holdCredits,
} from "@ducat/db/credits";
import type { EntryFilter } from "@ducat/db/entry-filter";
import { listLedger } from "@ducat/db/entry-list";
import type { Hold, TransactionQuery } from "@ducat/types/credits";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono, type z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { answerList } from "../answer-list.ts";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import { transactionColumns } from "../csv/columns.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { markReplay, readRequestKey } from "../idempotency.ts";
import { noteBalance } from "../note-alerts.ts";
import * as operations from "../operations/credits.ts";
import { showBalance, showEntry, showResult } from "../show-credits.ts";
import { describeCharge, toTime } from "../show-generation.ts";

export const creditRoutes = (deps: Deps, findAccount: FindAccount) => {
  const { db } = deps;
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("credits"), requireAccount(findAccount));

  app.openapi(operations.balance, async (c) => {
    const balance = await findBalance(db, c.var.accountId);
    if (!balance) throw new DomainError("not_found");
    return c.json(showBalance(balance), 200);
  });

  app.openapi(operations.transactions, async (c) => {
    const query = c.req.valid("query");
    const { accountId } = c.var;
    const filter = toFilter(query);
    return await answerList(c, deps, {
      list: listLedger(db, accountId, filter),
      show: (rows) => rows.map((row) => showEntry(accountId, row)),
      ...{ kind: "transaction", name: "credit-transactions", columns: transactionColumns },
      ...{ query, accountId },
      count: query.count === "true" ? () => countEntries(db, accountId, filter) : undefined,
    });
  });

  app.openapi(operations.consume, async (c) => {
    const body = c.req.valid("json");
    const done = await consumeCredits(db, c.var.accountId, { ...body, ...readRequestKey(c) });
    markReplay(c, done.replayed);
    noteBalance(deps, c.var.accountId, done.available);
    return c.json(
      {
        amount: body.amount,
        ...describeCharge(body.amount, done.trial),
        ...showResult(c.var.accountId, done),
      },
      201,
    );
  });

  app.openapi(operations.hold, async (c) => {
    const { expires_in: expiresInSeconds, ...body } = c.req.valid("json");
    const requestKey = readRequestKey(c);
    const done = await holdCredits(db, c.var.accountId, {
      ...body,
      ...requestKey,
      expiresInSeconds,
    });
    markReplay(c, done.replayed);
    noteBalance(deps, c.var.accountId, done.available);
    const expires_at = toTime(done.expires_at);
    const open = { status: "open", captured: 0, released: 0, expires_at } as const;
    return c.json(showHold(c.var.accountId, done, open), 201);
  });

  /** Ends a hold: `captured` of it is spent, 0 releases it all. */
  const endHold = async (c: Context<AppEnv>, holdId: string, captured: number) => {
    const done = await captureHold(db, c.var.accountId, { holdId, amount: captured });
    markReplay(c, done.replayed);
    const { released } = done;
    const status = captured > 0 ? "captured" : "released";
    return c.json(showHold(c.var.accountId, done, { status, captured, released }), 200);
  };
  app.openapi(operations.capture, (c) =>
    endHold(c, c.req.valid("param").id, c.req.valid("json").amount),
  );
  app.openapi(operations.release, (c) => endHold(c, c.req.valid("param").id, 0));

  return app;
};

const toFilter = (query: z.output<typeof TransactionQuery>): EntryFilter => ({
  type: query.type,
  from: query.from,
  to: query.to,
  minAmount: query.min_amount,
  maxAmount: query.max_amount,
  generationId: query.generation_id,
  paymentId: query.payment_id,
  text: query.text,
});

const showHold = (
  accountId: string,
  { id, amount, ...done }: HoldResult,
  { status, ...now }: Pick<Hold, "status" | "captured" | "released" | "expires_at">,
): Hold => ({ id, status, amount, ...now, ...showResult(accountId, done) });
