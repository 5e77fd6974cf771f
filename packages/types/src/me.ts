import { z } from "zod";
import { Account } from "./accounts.ts";
import { TotpCode } from "./logins.ts";
import { Id, Time, text } from "./text.ts";

export const Me = Account.extend({
  avatar: z
    .strictObject({ id: Id, url: z.url() })
    .nullable()
    .meta({ description: "Its URL works for an hour; ask again for another." }),
  bio: z.string().nullable(),
  last_login_at: Time.nullable(),
}).meta({ id: "Me" });
export type Me = z.infer<typeof Me>;

export const UpdateMe = z
  .strictObject({
    name: text(200).nullable().optional(),
    avatar: z
      .uuid()
      .nullable()
      .optional()
      .meta({ description: "An upload of the account's; it then stays." }),
    bio: text(2000).nullable().optional(),
    locale: z.enum(["en", "fa"]).optional(),
  })
  .refine((change) => Object.keys(change).length > 0, "Name at least one thing to change.")
  .meta({ id: "UpdateMe", examples: [{ name: "Ada", locale: "fa" }] });

export const EraseMe = z
  .strictObject({
    confirm: z.boolean().default(false).meta({
      description: "End what is running first: generations, and the subscription.",
    }),
    password: z.string().min(1).max(128).optional().meta({
      description: "Of the login, where the session is older than ten minutes.",
    }),
    totp_code: TotpCode.optional().meta({
      description: "Beside the password, where the login has a second factor.",
    }),
  })
  .meta({ id: "EraseMe", examples: [{ confirm: true }] });

const Rows = z.array(z.record(z.string(), z.unknown()));

/** Streamed: lists may be long. */
export const AccountExport = z
  .strictObject({
    exported_at: Time,
    account: Me,
    vendor: z.record(z.string(), z.unknown()).nullable(),
    logins: Rows,
    identities: Rows.meta({ description: "Issuers whose tokens open the account." }),
    entries: Rows.meta({ description: "The ledger, line by line." }),
    grants: Rows,
    subscriptions: Rows,
    payments: Rows.meta({ description: "Amounts in the smallest unit of their currency." }),
    generations: Rows,
    items: Rows.meta({ description: "Of the generations; pictures with a URL for an hour." }),
    images: Rows.meta({ description: "What is in the gallery; `file_id` is among the files." }),
    albums: Rows,
    usage: Rows.meta({
      description: "What was taken of features: by events, and by items of generations.",
    }),
    files: Rows.meta({ description: "All files, each with a URL for an hour." }),
    messages: Rows.meta({ description: "Which were sent, and when." }),
    events: Rows.meta({ description: "What it was told of, for 31 days." }),
    webhook_endpoints: Rows,
  })
  .meta({ id: "AccountExport" });
