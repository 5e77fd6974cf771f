import { z } from "zod";
import { Id, Time, text } from "./text.ts";

/** What the product calls the account. It travels in a header, hence no spaces and only ASCII. */
const ExternalId = z.string().regex(/^[!-~]{1,255}$/, "1 to 255 visible ASCII characters.");

export const Email = z
  .string()
  .max(320)
  .regex(/^[^\s@\p{Cc}\p{Cs}]+@[^\s@\p{Cc}\p{Cs}]+$/u, "Not an e-mail address.")
  .toLowerCase();
export const Phone = z.string().regex(/^\+[1-9]\d{6,14}$/, "A phone number as in +4915112345678.");

export const CreateAccount = z
  .strictObject({
    external_id: ExternalId,
    kind: z.enum(["user", "vendor"]).default("user"),
    name: text(200).optional(),
    email: Email.optional(),
    phone: Phone.optional(),
    locale: z
      .string()
      .max(16)
      .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, "A language tag as in en or fa-IR.")
      .default("en"),
  })
  .meta({ id: "CreateAccount", examples: [{ external_id: "ada", kind: "user", name: "Ada" }] });

export const Account = z
  .strictObject({
    id: Id,
    external_id: z.string().nullable(),
    kind: z.enum(["user", "vendor"]),
    name: z.string().nullable(),
    email: z.string().nullable(),
    phone: z.string().nullable(),
    locale: z.string(),
    is_active: z.boolean(),
    created_at: Time,
  })
  .meta({ id: "Account" });
export type Account = z.infer<typeof Account>;
