import { countItems, findBatchHead, listItems } from "@ducat/db/batches";
import type { SlicedList } from "@ducat/db/slices";
import type { RowError } from "@ducat/types/batches";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { answerList } from "../answer-list.ts";
import {
  chunksOfResults,
  errorColumns,
  listEntries,
  resultColumns,
  writeJson,
} from "../batches/results.ts";
import { showRowItem } from "../batches/show-batch.ts";
import { mostZipBytes, writeZip } from "../batches/write-zip.ts";
import { readCursor } from "../cursor.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/batches.ts";
import { refuseAt } from "../problem.ts";

const zipLifeMs = 60 * 60_000;

/** What has come of a generation's items, however many there are. */
export const resultRoutes = (deps: Deps) => {
  const { db, csv, urlSigner } = deps;
  /** Errors: not_found (no such generation of the account). */
  const getHead = async (accountId: string, id: string) => {
    const head = await findBatchHead(db, accountId, id);
    if (!head) throw new DomainError("not_found");
    return head;
  };

  const app = new OpenAPIHono<AppEnv>();
  app.openapi(operations.listItems, async (c) => {
    const { accountId } = c.var;
    const { id: generationId } = c.req.valid("param");
    const { status, ...query } = c.req.valid("query");
    readCursor("item", query.cursor);
    await getHead(accountId, generationId);
    const filter = { generationId, status: status && [status] };
    return await answerList(c, deps, {
      list: listItems(db, accountId, filter),
      show: (rows) => rows.map((row) => showRowItem(row, urlSigner)),
      ...{ kind: "item", name: "items", columns: resultColumns, query, accountId },
      count:
        query.count === "true"
          ? async () => (await countItems(db, accountId, filter)).items
          : undefined,
    });
  });

  app.openapi(operations.results, async (c) => {
    const { accountId } = c.var;
    const { id: generationId } = c.req.valid("param");
    const { format, status, bom, ...positions } = c.req.valid("query");
    await getHead(accountId, generationId);
    const asked = { generationId, status: status && [status], ...positions };
    if (format === "csv") {
      const chunks = chunksOfResults(deps, accountId, asked);
      const file = { name: "results", columns: resultColumns, chunks, accountId };
      return await csv.stream(c, { ...file, bom: bom === "true" });
    }
    if (format === "json") {
      const parts = writeJson(chunksOfResults(deps, accountId, asked));
      const type = "application/json";
      return await csv.streamFile(c, { name: "results.json", type, parts, accountId });
    }
    const { bytes } = await countItems(db, accountId, asked);
    if (bytes > mostZipBytes) {
      throw refuseAt("#/query/format", "This is more than a ZIP holds: name `from` and `to`.");
    }
    const parts = writeZip(listEntries(deps, accountId, asked));
    const zip = { name: "results.zip", type: "application/zip", lifeMs: zipLifeMs };
    return await csv.streamFile(c, { ...zip, parts, accountId });
  });

  app.openapi(operations.listErrors, async (c) => {
    const { accountId } = c.var;
    const query = c.req.valid("query");
    readCursor("row_error", query.cursor);
    const { batch } = await getHead(accountId, c.req.valid("param").id);
    return await answerList(c, deps, {
      list: listErrors(batch?.errors ?? []),
      show: (rows) => rows.map(({ error }) => error),
      ...{ kind: "row_error", name: "row-errors", columns: errorColumns, accountId, query },
    });
  });

  return app;
};

function listErrors(errors: RowError[]): SlicedList<{ error: RowError; at: number }> {
  const all = errors.map((error, at) => ({ error, at }));
  return {
    async read({ before, limit }) {
      const start = before === undefined ? 0 : Number(before) + 1;
      return all.slice(start, start + limit);
    },
    positionOf: ({ at }) => String(at),
  };
}
