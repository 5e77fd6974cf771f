import { z } from "zod";
import { Account } from "./accounts.ts";
import { ProductKey } from "./checkout.ts";
import { Balance } from "./credits.ts";
import { orNull } from "./or-null.ts";
import { csvQuery, page, pageQuery, spanQuery } from "./pagination.ts";
import { Subscription } from "./subscriptions.ts";
import { Id, isStorable, Time, text } from "./text.ts";
import { Vendor } from "./vendors.ts";

const { cursor, limit } = pageQuery;

export const AccountQuery = z.strictObject({
  query: z
    .string()
    .min(1)
    .max(320)
    .refine(isStorable, "NUL and lone surrogates are not accepted.")
    .optional()
    .meta({
      description: "An id, external id, e-mail address, phone number, or how a name begins.",
    }),
  kind: z.enum(["user", "vendor"]).optional(),
  plan: ProductKey.optional().meta({ description: "The key of the plan that it has now." }),
  frozen: z.enum(["true", "false"]).optional(),
  active: z.enum(["true", "false"]).optional(),
  ...spanQuery,
  cursor,
  limit,
  ...csvQuery,
});

export const FoundAccount = Account.extend({
  bio: z.string().nullable(),
  last_login_at: Time.nullable(),
  erased_at: Time.nullable(),
}).meta({ id: "FoundAccount" });
export type FoundAccount = z.infer<typeof FoundAccount>;

const freezes = z
  .array(z.string())
  .meta({ description: "Why: `admin`, `dispute:<id>`, `erased`." });

/** An account in a list of them. */
export const ListedAccount = FoundAccount.extend({
  plan: z.string().nullable().meta({ description: "The key of the plan that it has now." }),
  frozen: freezes,
  available: z.int(),
  held: z.int(),
  debt: z.int(),
}).meta({ id: "ListedAccount" });
export type ListedAccount = z.infer<typeof ListedAccount>;

export const AccountPage = page(ListedAccount);

export const Role = z.enum(["user", "support", "admin"]);

export const AccountDetail = FoundAccount.extend({
  vendor: orNull(Vendor),
  balance: Balance,
  frozen: freezes,
  subscription: orNull(Subscription).meta({ description: "The one that runs, else the last." }),
  logins: z.array(
    z.strictObject({
      id: Id,
      email: z.string().nullable(),
      email_verified: z.boolean(),
      phone: z.string().nullable(),
      role: Role,
      verified_at: Time.nullable(),
      banned_at: Time.nullable(),
      created_at: Time,
    }),
  ),
}).meta({ id: "AccountDetail" });
export type AccountDetail = z.infer<typeof AccountDetail>;

export const SetRole = z
  .strictObject({ role: Role })
  .meta({ id: "SetRole", examples: [{ role: "support" }] });
export const LoginRole = z.strictObject({ id: Id, role: Role }).meta({ id: "LoginRole" });

/** Whether somebody is shut out, and since when. */
export const LoginBan = z
  .strictObject({ id: Id, banned_at: Time.nullable() })
  .meta({ id: "LoginBan" });

/** Why somebody is frozen, shut out or let in again, in the operator's own words. */
export const Why = z
  .strictObject({ reason: text(500).optional() })
  .meta({ id: "Why", examples: [{ reason: "They asked for it by telephone." }] });
