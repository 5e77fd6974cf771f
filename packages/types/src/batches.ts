import { z } from "zod";
import { batchLinks } from "./batch-progress.ts";
import { Charged, CreditType } from "./credits.ts";
import { Input, Item, Params, Status, WebhookUrl } from "./generations.ts";
import { jsonObject } from "./json-object.ts";
import { page, pageQuery } from "./pagination.ts";
import { Id, Time, text } from "./text.ts";

/** However large the plan is. */
export const maxRows = 10_000;
/** Longer ones are no rows that anybody wrote. */
export const maxRowLength = 64 * 1024;

/** One item: what it has of its own goes before what is said for all of them. */
export const BatchRow = z
  .strictObject({ label: text(200).optional(), input: Input.optional(), params: Params.optional() })
  .meta({ id: "BatchRow" });
export type BatchRow = z.infer<typeof BatchRow>;

/** What is said of a batch beside its rows. */
export const BatchOptions = z.strictObject({
  style: text(100),
  input: Input.optional(),
  params: Params.optional(),
  subject: text(255).optional().meta({ description: "Credits bound to it are spent first." }),
  reference: text(255).optional(),
  metadata: jsonObject({ bytes: 8192, members: 50, depth: 4 }).optional(),
  webhook_url: WebhookUrl.optional(),
  on_error: z
    .enum(["skip", "refuse"])
    .default("skip")
    .meta({ description: "`refuse`: one bad row, and nothing is accepted." }),
});
export type BatchOptions = z.infer<typeof BatchOptions>;

/** Columns of a file by their headers, each with the member that it is; null: none. */
export const Mapping = z
  .record(text(200), z.string().max(200).nullable())
  .refine((mapping) => Object.keys(mapping).length <= 200, "At most 200 columns.");
export type Mapping = z.infer<typeof Mapping>;

/** What is said beside a file. */
export const FileOptions = BatchOptions.extend({ mapping: Mapping.optional() });
export type FileOptions = z.infer<typeof FileOptions>;

export const CreateBatch = BatchOptions.extend({
  rows: z
    .array(BatchRow)
    .min(1)
    .max(maxRows)
    .meta({
      description:
        "Each is checked, priced and paid back on its own. A row's own `input` and each of its " +
        "`params` go before those of the batch.",
    }),
}).meta({
  id: "CreateBatch",
  examples: [
    {
      style: "modern_minimalist",
      on_error: "refuse",
      rows: [
        { label: "A-1", input: { type: "text", prompt: "A small city garden" } },
        { input: { type: "text", prompt: "A roof terrace in the wind" } },
      ],
    },
  ],
});

/** What is wrong with a row. */
export const RowError = z
  .strictObject({
    line: z
      .int()
      .meta({ description: "Of the file, its header being 1; of JSON the row, from 1." }),
    pointer: z.string().meta({ description: "Into the rows as if they were JSON." }),
    code: z.enum(["validation_failed", "malformed_row", "row_too_large"]),
    message: z.string(),
  })
  .meta({ id: "RowError" });
export type RowError = z.infer<typeof RowError>;

export const Batch = z
  .strictObject({
    id: Id,
    style: z.strictObject({ id: z.string(), version: z.int() }),
    status: Status,
    rows: z.int(),
    accepted: z.int(),
    rejected: z.int(),
    errors: z.array(RowError).meta({ description: "The first 100." }),
    columns: z
      .record(z.string(), z.string().nullable())
      .optional()
      .meta({ description: "Of a file: what each column was taken for; null: for nothing." }),
    params: z.record(z.string(), z.unknown()),
    subject: z.string().nullable(),
    reference: z.string().nullable(),
    cost: z.int(),
    charged: Charged,
    credit_type: CreditType,
    balance: z.int().meta({ description: "What was available right after it was paid." }),
    ...batchLinks,
    created_at: Time,
    deadline_at: Time,
    metadata: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "Batch" });
export type Batch = z.infer<typeof Batch>;

/** An item with what it was made of. */
export const RowItem = Item.extend({
  generation_id: Id,
  line: z.int().nullable().meta({ description: "Where its row stood; null: it was none." }),
  input: z.record(z.string(), z.unknown()),
  params: z.record(z.string(), z.unknown()),
}).meta({ id: "RowItem" });
export type RowItem = z.infer<typeof RowItem>;

const { cursor, limit } = pageQuery;
export const ItemQuery = z.strictObject({ status: Status.optional(), ...pageQuery });
export const ItemPage = page(RowItem);
export const RowErrorQuery = z.strictObject({ cursor, limit });
export const RowErrorPage = page(RowError);

/** A position in a query. */
const position = z
  .string()
  .regex(/^(0|[1-9]\d{0,4})$/, "A position from 0.")
  .transform(Number);

export const ResultsQuery = z.strictObject({
  format: z.enum(["csv", "json", "zip"]).default("csv"),
  status: Status.optional(),
  from: position.optional().meta({ description: "The first position." }),
  to: position.optional().meta({ description: "The position to stop before." }),
  bom: z
    .enum(["true", "false"])
    .optional()
    .meta({ description: "CSV only. `true`: begin with a byte order mark, for Excel." }),
});
export type ResultsQuery = z.infer<typeof ResultsQuery>;
