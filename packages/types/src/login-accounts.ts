import { z } from "zod";
import { AccountKind } from "./logins.ts";
import { Id, Time, text } from "./text.ts";

export const LoginAccount = z
  .strictObject({
    id: Id,
    kind: AccountKind,
    name: z.string().nullable(),
    business_name: z.string().nullable().meta({ description: "Of a vendor." }),
    is_active: z.boolean(),
    is_current: z.boolean().meta({ description: "The one that this session is on." }),
    last_login_at: Time.nullable(),
    created_at: Time,
  })
  .meta({ id: "LoginAccount" });
export type LoginAccount = z.infer<typeof LoginAccount>;

export const LoginAccounts = z
  .strictObject({ data: z.array(LoginAccount) })
  .meta({ id: "LoginAccounts" });

export const OpenAccount = z
  .strictObject({ kind: z.literal("vendor"), business_name: text(200) })
  .meta({ id: "OpenAccount", examples: [{ kind: "vendor", business_name: "Ada's Gardens" }] });

export const SwitchAccount = z
  .strictObject({ account_id: Id.optional(), kind: AccountKind.optional() })
  .refine(
    ({ account_id, kind }) => (account_id === undefined) !== (kind === undefined),
    "Give an account's id or its kind.",
  )
  .meta({ id: "SwitchAccount", examples: [{ kind: "user" }] });
