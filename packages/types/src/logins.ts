import { z } from "zod";
import { Id, isStorable, Time, text } from "./text.ts";

export const LoginEmail = z.email().max(254).toLowerCase();
/** As it is chosen; what was chosen before may be shorter. */
const NewPassword = z.string().min(10).max(128).refine(isStorable, "Not a text.");
export const Password = z.string().min(1).max(128);
const Token = z.string().min(1).max(200);
export const LoginLocale = z
  .string()
  .max(16)
  .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, "A language tag as in en or fa-IR.")
  .default("en");
const password = "correct horse battery";
const phone = "+989121234567";

/** A mobile number: with + or 00, in any digits; what it is exactly, the API finds out. */
export const MobilePhone = text(40).meta({
  description: "A mobile number with its country code.",
  examples: [phone],
});
/** Who one is: an address or a number, one of them. */
const Whom = { email: LoginEmail.optional(), phone: MobilePhone.optional() };
const isOne = ({ email, phone }: { email?: string | undefined; phone?: string | undefined }) =>
  (email === undefined) !== (phone === undefined);
const oneOf = { path: ["email"], error: "Give an e-mail address or a phone number." };

export const Register = z
  .strictObject({ ...Whom, password: NewPassword, locale: LoginLocale })
  .refine(isOne, oneOf)
  .meta({
    id: "Register",
    examples: [{ email: "ada@example.com", password }],
  });

export const AccountKind = z.enum(["user", "vendor"]);
/** Which account the session is to be on. */
const kind = AccountKind.optional().meta({
  description: "Of the account to be on. The user's, unless it says otherwise.",
});

export const LogIn = z
  .strictObject({ ...Whom, password: Password, kind })
  .refine(isOne, oneOf)
  .meta({
    id: "LogIn",
    examples: [{ email: "ada@example.com", password }],
  });

export const Refresh = z
  .strictObject({ refresh_token: Token })
  .meta({ id: "Refresh", examples: [{ refresh_token: "dr_…" }] });

/** Whose mail: for sending a link again, and for a forgotten password. */
export const MailMe = z
  .strictObject({ email: LoginEmail })
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

/** What a code is for; it does nothing else. */
export const CodePurpose = z.enum(["phone_verify", "login", "password_reset"]);

export const SendCode = z
  .strictObject({ phone: MobilePhone, purpose: CodePurpose, locale: LoginLocale })
  .meta({ id: "SendCode", examples: [{ phone, purpose: "login", locale: "fa" }] });

/** The same for a number that is known and one that isn't. */
export const CodeSent = z
  .strictObject({ expires_in: z.int().meta({ description: "Seconds that the code works." }) })
  .meta({ id: "CodeSent", examples: [{ expires_in: 600 }] });

const asciiDigits = (text: string) =>
  text.replace(/[\u0660-\u0669\u06f0-\u06f9]/g, (digit) => `${digit.charCodeAt(0) % 16}`);
/** Six digits, Persian ones too. */
export const Code = z
  .string()
  .max(20)
  .transform((code) => asciiDigits(code.trim()))
  .pipe(z.string().regex(/^\d{6}$/, "Six digits."));

const VerifyLoginCode = z
  .strictObject({
    purpose: z.literal("login"),
    phone: MobilePhone,
    code: Code,
    locale: LoginLocale,
    kind,
  })
  .meta({ id: "VerifyLoginCode" });
const VerifyPhoneCode = z
  .strictObject({
    purpose: z.literal("phone_verify"),
    phone: MobilePhone,
    code: Code,
    password: NewPassword.optional(),
    locale: LoginLocale,
    kind,
  })
  .meta({ id: "VerifyPhoneCode" });
const VerifyResetCode = z
  .strictObject({
    purpose: z.literal("password_reset"),
    phone: MobilePhone,
    code: Code,
    password: NewPassword,
  })
  .meta({ id: "VerifyResetCode" });

export const VerifyCode = z
  .discriminatedUnion("purpose", [VerifyLoginCode, VerifyPhoneCode, VerifyResetCode])
  .meta({
    id: "VerifyCode",
    examples: [{ purpose: "phone_verify", phone, code: "042917", password }],
  });

/** The first factor was right; the second is asked for. */
export const LoginChallenge = z
  .strictObject({
    challenge: z.string().meta({ description: "For `POST /v1/auth/totp/verify`." }),
    expires_in: z.int().meta({ description: "Seconds that it works, for five guesses at most." }),
  })
  .meta({ id: "LoginChallenge", examples: [{ challenge: "dc_…", expires_in: 600 }] });

/** Somebody is in, or is asked for the second factor. */
export const LoggedIn = z.union([SessionTokens, LoginChallenge]).meta({ id: "LoggedIn" });
export type LoggedIn = z.infer<typeof LoggedIn>;

/** Of an authenticator, or a backup code. */
export const TotpCode = z
  .string()
  .min(6)
  .max(20)
  .transform((code) => asciiDigits(code.trim()));

export const OfferTotp = z
  .strictObject({
    password: Password.optional().meta({ description: "The login's own, if it has one." }),
  })
  .meta({ id: "OfferTotp", examples: [{ password }] });

export const TotpOffer = z
  .strictObject({
    secret: z.string().meta({ description: "Base32, for typing it in." }),
    otpauth_url: z.string().meta({ description: "For a QR code." }),
    backup_codes: z.array(z.string()).meta({ description: "Each works once, without the app." }),
  })
  .meta({ id: "TotpOffer" });

export const ShowTotp = z
  .strictObject({ code: TotpCode })
  .meta({ id: "ShowTotp", examples: [{ code: "042917" }] });

export const AnswerChallenge = z
  .strictObject({ challenge: Token, code: TotpCode })
  .meta({ id: "AnswerChallenge", examples: [{ challenge: "dc_…", code: "042917" }] });
