import { z } from "zod";
import { Code, LoginEmail, LoginLocale, MobilePhone, Password, TotpCode } from "./logins.ts";

const password = Password.optional().meta({
  description: "Of the login, where the session did not begin within the last ten minutes.",
});
const totp_code = TotpCode.optional().meta({
  description: "Beside the password, where the login has a second factor.",
});
const email = "ada@new.example";
const phone = "+989121234567";

export const ChangeEmail = z
  .strictObject({ email: LoginEmail, password, totp_code, locale: LoginLocale })
  .meta({ id: "ChangeEmail", examples: [{ email }] });

export const VerifyEmailChange = z
  .strictObject({ email: LoginEmail, code: Code })
  .meta({ id: "VerifyEmailChange", examples: [{ email, code: "042917" }] });

export const ChangePhone = z
  .strictObject({ phone: MobilePhone, password, totp_code, locale: LoginLocale })
  .meta({ id: "ChangePhone", examples: [{ phone, locale: "fa" }] });

export const VerifyPhoneChange = z
  .strictObject({ phone: MobilePhone, code: Code })
  .meta({ id: "VerifyPhoneChange", examples: [{ phone, code: "042917" }] });
