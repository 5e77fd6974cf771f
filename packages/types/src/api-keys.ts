import { z } from "zod";
import { Id, Moment, Time, text } from "./text.ts";

const scopeNames = z.array(z.string().min(1).max(32)).min(1).max(32);

export const CreateApiKey = z
  .strictObject({
    name: text(100).meta({ description: "For people: which server holds it." }),
    scopes: scopeNames.meta({ description: "What it may do: at most what you may." }),
    limit_per_minute: z
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .meta({ description: "How many requests it may make; any number if left out." }),
    expires_at: Moment.optional(),
  })
  .meta({
    id: "CreateApiKey",
    examples: [{ name: "web server", scopes: ["generations", "credits"] }],
  });

export const RotateApiKey = z
  .strictObject({
    overlap_s: z.int().min(0).max(604_800).default(86_400).meta({
      description: "For how long the old key works beside the new one, in seconds.",
    }),
  })
  .meta({ id: "RotateApiKey", examples: [{ overlap_s: 3600 }] });

export const ApiKey = z
  .strictObject({
    id: z.string().meta({ examples: ["k3v9x0ab"] }),
    account_id: Id.nullable().meta({ description: "null: the product's own, for any account." }),
    name: z.string(),
    scopes: z.array(z.string()),
    replaces: z.string().nullable(),
    created_by: z.string(),
    limit_per_minute: z.int().nullable().meta({ description: "Requests; null: any number." }),
    expires_at: Time.nullable(),
    last_used_at: Time.nullable().meta({ description: "To the minute." }),
    revoked_at: Time.nullable(),
    created_at: Time,
  })
  .meta({ id: "ApiKey" });
export type ApiKey = z.infer<typeof ApiKey>;

export const NewApiKey = ApiKey.extend({
  key: z.string().meta({ description: "Shown this once." }),
}).meta({ id: "NewApiKey" });

export const ApiKeys = z.strictObject({ data: z.array(ApiKey) }).meta({ id: "ApiKeys" });

/** The part of a key that is no secret, in a path. */
export const ApiKeyId = text(64);

export const CreateToken = z
  .strictObject({
    scopes: scopeNames
      .optional()
      .meta({ description: "All that an account may have, if left out." }),
    expires_in: z.int().min(1).max(900).default(900).meta({ description: "Seconds." }),
  })
  .meta({ id: "CreateToken", examples: [{ expires_in: 900 }] });

export const AccountToken = z
  .strictObject({
    token: z.string(),
    account_id: Id,
    scopes: z.array(z.string()),
    expires_at: Time,
  })
  .meta({ id: "AccountToken" });
