import { expect, it } from "vitest";
import { z } from "zod";
import { createSenders } from "./senders.ts";
import { checkMessageSettings, isAddress, MessageSettings, readSender } from "./settings.ts";

const Env = MessageSettings.extend({ DUCAT_MODE: z.enum(["test", "live"]) }).superRefine(
  checkMessageSettings,
);
const faults = (source: object) =>
  Env.safeParse(source).error?.issues.map(({ path }) => path.join(".")) ?? [];

it("reads who mails come from", () => {
  const address = "mail@shop.example";
  expect(readSender(address)).toEqual({ name: "", address });
  expect(readSender(`<${address}>`)).toEqual({ name: "", address });
  expect(readSender(`Shop & Co. <${address}>`)).toEqual({ name: "Shop & Co.", address });
  expect(readSender(`"باغ، آریا" <${address}>`)).toEqual({ name: "باغ، آریا", address });
  for (const text of ["", "Shop", "Shop <mail>", `a <${address}>, b <x@y.z>`, `${address},x@y.z`]) {
    expect(readSender(text), text).toBeUndefined();
  }
  expect(isAddress(`${"x".repeat(320)}@y.z`)).toBe(false);
});

it("refuses what can't send, and in live mode what should not", () => {
  const live = { DUCAT_MODE: "live", MAIL_FROM: "mail@shop.example" };
  expect(faults({ DUCAT_MODE: "test" })).toEqual([]);
  expect(faults({ DUCAT_MODE: "live" })).toEqual([]);
  expect(faults({ ...live, SMTP_URL: "smtps://u:p@mx.example", SMS_URL: "https://sms.example" }))
    // Nothing is wrong with these.
    .toEqual([]);
  expect(faults({ DUCAT_MODE: "test", SMTP_URL: "smtp://mx.example" })).toEqual(["MAIL_FROM"]);
  expect(faults({ ...live, SMTP_URL: "console" })).toEqual(["SMTP_URL"]);
  expect(faults({ ...live, SMS_URL: "console" })).toEqual(["SMS_URL"]);
  expect(faults({ ...live, SMS_URL: "http://sms.example" })).toEqual(["SMS_URL"]);
  expect(faults({ ...live, SMTP_URL: "http://mx.example", SMS_URL: "sms.example" })).toEqual([
    "SMTP_URL",
    "SMS_URL",
  ]);
  expect(faults({ ...live, SMS_TOKEN: "a\nb" })).toEqual(["SMS_TOKEN"]);
});

it("makes a sender for each channel that has one; in test mode the log stands in", async () => {
  const lines: unknown[] = [];
  const log = {
    info: (detail: object) => void lines.push(detail),
    debug: (detail: object) => void lines.push({ debug: true, ...detail }),
  };
  const make = (source: object) => createSenders(Env.parse(source), log);
  expect(make({ DUCAT_MODE: "live" })).toEqual({});
  expect(Object.keys(make({ DUCAT_MODE: "live", SMS_URL: "https://sms.example" }))).toEqual([
    "sms",
  ]);
  const mail = { SMTP_URL: "smtp://mx.example", MAIL_FROM: "a@b.example" };
  expect(Object.keys(make({ DUCAT_MODE: "live", ...mail }))).toEqual(["email"]);
  const { email, sms } = make({ DUCAT_MODE: "test" });
  const message = { id: "1", kind: "receipt", subject: "s", html: "h", text: "t", sms: "short" };
  await email?.send({ ...message, to: "sara@home.example" });
  await sms?.send({ ...message, to: "+989120000000" });
  expect(lines).toEqual([
    { channel: "email", kind: "receipt", recipient: "…@home.example", id: "1" },
    { debug: true, id: "1", subject: "s", text: "t" },
    { channel: "sms", kind: "receipt", recipient: "+98…", id: "1" },
    { debug: true, id: "1", text: "short" },
  ]);
});
