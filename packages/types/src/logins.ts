import { z } from "zod";
import { Id, isStorable, Time } from "./text.ts";

const Email = z.email().max(254).toLowerCase();
/** As it is chosen; what was chosen before may be shorter. */
const NewPassword = z.string().min(10).max(128).refine(isStorable, "Not a text.");
const Password = z.string().min(1).max(128);
const Token = z.string().min(1).max(200);
const password = "correct horse battery";

export const Register = z
  .strictObject({
    email: Email,
    password: NewPassword,
    locale: z
      .string()
      .max(16)
      .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, "A language tag as in en or fa-IR.")
      .default("en"),
  })
  .meta({ id: "Register", examples: [{ email: "ada@example.com", password }] });

export const LogIn = z
  .strictObject({ email: Email, password: Password })
  .meta({ id: "LogIn", examples: [{ email: "ada@example.com", password }] });

export const Refresh = z
  .strictObject({ refresh_token: Token })
  .meta({ id: "Refresh", examples: [{ refresh_token: "dr_…" }] });

/** Whose mail: for sending a link again, and for a forgotten password. */
export const MailMe = z
  .strictObject({ email: Email })
  .meta({ id: "MailMe", examples: [{ email: "ada@example.com" }] });

export const VerifyEmail = z
  .strictObject({ token: Token })
  .meta({ id: "VerifyEmail", examples: [{ token: "Zr7q_tK3vYw0bN5mXc8LdP2sHf6jGaQe" }] });

export const ResetPassword = z.strictObject({ token: Token, password: NewPassword }).meta({
  id: "ResetPassword",
  examples: [{ token: "Zr7q_tK3vYw0bN5mXc8LdP2sHf6jGaQe", password }],
});

/** The same for an address that is known and one that isn't. */
export const MailAccepted = z
  .strictObject({ message: z.string() })
  .meta({ id: "MailAccepted", examples: [{ message: "If it is yours, a mail is on its way." }] });

export const SessionTokens = z
  .strictObject({
    access_token: z.string().meta({ description: "For `Authorization: Bearer`; 15 minutes." }),
    access_expires_at: Time,
    refresh_token: z.string().meta({ description: "Works once; 30 days." }),
    refresh_expires_at: Time,
    account_id: Id,
    is_verified: z.boolean().meta({ description: "Until it is, nothing can be spent." }),
  })
  .meta({ id: "SessionTokens" });
export type SessionTokens = z.infer<typeof SessionTokens>;

export const Session = z
  .strictObject({
    id: Id,
    account_id: Id,
    user_agent: z.string().nullable(),
    ip: z.string().nullable(),
    is_current: z.boolean(),
    created_at: Time,
    refreshed_at: Time,
    expires_at: Time,
  })
  .meta({ id: "Session" });

export const Sessions = z.strictObject({ data: z.array(Session) }).meta({ id: "Sessions" });

export const EndSessions = z.strictObject({
  keep_current: z.enum(["true", "false"]).optional().meta({
    description: "`true` ends all but the one that asks.",
  }),
});
