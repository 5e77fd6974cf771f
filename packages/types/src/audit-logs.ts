import { z } from "zod";
import { csvQuery, page, pageQuery, spanQuery } from "./pagination.ts";
import { Id, Reference, Time, text } from "./text.ts";

/** What somebody did who may do more than an account's own people. */
export const AuditLog = z
  .strictObject({
    id: Id,
    account_id: Id.nullable().meta({ description: "Whose account it was done to." }),
    actor: z.string().meta({ description: "`root`, `key:<id>`, `login:<id>`, `system` …" }),
    action: z.string().meta({ description: "What was done, for example `credits.adjust`." }),
    resource: z.string().nullable().meta({ description: "The kind of thing it was done to." }),
    resource_id: z.string().nullable(),
    metadata: z.record(z.string(), z.unknown()).meta({
      description: "Of a change `before` and `after`.",
    }),
    request_id: z.string().nullable(),
    ip: z.string().nullable(),
    created_at: Time,
  })
  .meta({ id: "AuditLog" });
export type AuditLog = z.infer<typeof AuditLog>;

export const AuditLogPage = page(AuditLog);

const word = z.string().regex(/^[a-z][a-z_.]{0,99}$/, "Lower case words, as in credits.adjust.");

export const AuditLogQuery = z.strictObject({
  actor: text(300).optional(),
  action: word.optional(),
  resource: word.optional(),
  resource_id: text(300).optional(),
  account: Reference.optional().meta({ description: "An account's id or external id." }),
  request_id: text(128).optional(),
  ...spanQuery,
  cursor: pageQuery.cursor,
  limit: pageQuery.limit,
  ...csvQuery,
});
