import { randomInt } from "node:crypto";
import { askAuth, readMails } from "./person.ts";
import type { Answer, Call, Stage } from "./stage.ts";

/** A number that nobody else has, in a block of numbers of its own. */
export const makePhone = () => `+989${randomInt(100_000_000, 999_999_999)}`;

export const send = (stage: Stage, phone: string, purpose = "login", how: Call = {}) =>
  askAuth(stage, "otp/send", { phone, purpose }, how);

export const verify = (stage: Stage, body: object): Promise<Answer> =>
  askAuth(stage, "otp/verify", body);

/** The latest code that waits to be sent to a number. */
export async function readCode(stage: Stage, phone: string): Promise<string> {
  const [sms] = await readMails(stage, phone);
  if (sms?.kind !== "login_code") throw new Error("no code waits for the number");
  return String(sms.data.code);
}

/** Logs in by a code, and signs up before if need be. */
export async function logInByPhone(stage: Stage, phone: string): Promise<Answer["body"]> {
  await send(stage, phone);
  const code = await readCode(stage, phone);
  return (await verify(stage, { phone, purpose: "login", code })).body;
}

/** A code that is not this one. */
export const otherThan = (code: string, by = 1) =>
  String((Number(code) + by) % 1_000_000).padStart(6, "0");
