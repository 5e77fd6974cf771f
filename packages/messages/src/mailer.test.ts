import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type MailSink, startMailSink, startOddServer } from "../test/mail-sink.ts";
import { samples } from "../test/samples.ts";
import { DeliveryError } from "./delivery-error.ts";
import { createMailer, type MailerTimings } from "./mailer.ts";
import { renderMessage } from "./render-message.ts";
import type { MessageSender, Outgoing } from "./sender.ts";

const from = { name: "باغ آریا", address: "shop@garden.example" };
let sink: MailSink;
const opened: { close(): Promise<void> }[] = [];
beforeEach(async () => {
  sink = await startMailSink();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
  await sink.close();
});

function makeMailer(url = sink.url, timings: Partial<MailerTimings> = {}): MessageSender {
  const mailer = createMailer({ url, from, timings });
  opened.push(mailer);
  return mailer;
}

async function makeMail(more: Partial<Outgoing> = {}): Promise<Outgoing> {
  const data = { ...samples.receipt, receipt_ref: "y".repeat(80) };
  const message = { kind: "receipt", locale: "fa", data, name: "سارا" };
  const rendered = await renderMessage(message, { publicUrl: "https://pay.example" });
  return { ...rendered, id: randomUUID(), kind: "receipt", to: "sara@home.example", ...more };
}

/** How an attempt failed. */
async function fail(sending: Promise<void>): Promise<DeliveryError> {
  const error = await sending.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DeliveryError);
  return error as DeliveryError;
}

describe("a mail", () => {
  it("arrives as it was written, in Persian too", async () => {
    const mail = await makeMail();
    await makeMailer().send(mail);
    const [got] = sink.mails;
    expect(got?.subject).toBe(mail.subject);
    expect(got?.from).toEqual(from);
    expect(got?.to).toEqual([{ name: "", address: mail.to }]);
    expect(got?.envelope).toEqual({ from: from.address, to: [mail.to] });
    expect(got?.messageId).toBe(`<${mail.id}@garden.example>`);
    expect(got?.text?.trim()).toBe(mail.text);
    expect(got?.html?.trim()).toBe(mail.html);
    expect(got?.headers.find(({ key }) => key === "auto-submitted")?.value).toBe("auto-generated");
  });

  it("has the headers that we wrote, whatever its subject says", async () => {
    const subject = "Receipt\r\nBcc: all@example.com\r\n\r\n<b>body</b>";
    await makeMailer().send(await makeMail({ subject }));
    const [got] = sink.mails;
    expect(got?.envelope.to).toEqual(["sara@home.example"]);
    expect(got?.bcc).toBeUndefined();
    expect(got?.subject).toContain("Bcc: all@example.com");
    expect(got?.headers.map(({ key }) => key)).not.toContain("bcc");
  });

  it("goes to one plain address or nowhere", async () => {
    const addresses = [
      ...["", "sara", "a@b, c@d.example", "a@b.example\r\nRCPT TO:<c@d.example>", "<a@b.example>"],
      ...[
        '"c@d.example x"@b.example',
        "Sara <a@b.example>",
        "a@b.example;c@d.example",
        "a@@b",
        "@b",
      ],
    ];
    for (const to of addresses) {
      const error = await fail(makeMailer().send(await makeMail({ to })));
      expect(error, to).toMatchObject({ isFinal: true, message: "the recipient is no address" });
    }
    expect(sink.connections).toBe(0);
  });

  it("uses few connections, and one again", async () => {
    const mailer = makeMailer();
    const mails = await Promise.all(Array.from({ length: 12 }, () => makeMail()));
    await Promise.all(mails.map((mail) => mailer.send(mail)));
    expect(new Set(sink.mails.map(({ messageId }) => messageId)).size).toBe(12);
    expect(sink.connections).toBeLessThanOrEqual(5);
  });
});

describe("a refusal", () => {
  it("that passes is no reason to give up: the next attempt has the same Message-ID", async () => {
    const mail = await makeMail();
    const mailer = makeMailer();
    sink.wishes.push({ at: "rcpt", code: 451, text: "4.7.1 greylisted" });
    sink.wishes.push({ at: "data", code: 452, text: "4.2.2 full" });
    expect(await fail(mailer.send(mail))).toMatchObject({
      isFinal: false,
      message: "SMTP: 451 4.7.1 to RCPT TO (EENVELOPE)",
    });
    expect(await fail(mailer.send(mail))).toMatchObject({ isFinal: false });
    await mailer.send(mail);
    expect(sink.mails.map(({ messageId }) => messageId)).toEqual([
      `<${mail.id}@garden.example>`,
      `<${mail.id}@garden.example>`,
    ]);
  });

  it("of the recipient or of the content is final", async () => {
    const mailer = makeMailer();
    sink.wishes.push({ at: "rcpt", code: 550, text: "5.1.1 no sara@home.example here" });
    const error = await fail(mailer.send(await makeMail()));
    expect(error).toMatchObject({
      isFinal: true,
      message: "SMTP: 550 5.1.1 to RCPT TO (EENVELOPE)",
    });
    sink.wishes.push({ at: "data", code: 554, text: "spam" });
    expect(await fail(mailer.send(await makeMail()))).toMatchObject({ isFinal: true });
    await mailer.send(await makeMail());
  });

  it("of ourselves is the operator's to mend, so the mail is tried again", async () => {
    sink.wishes.push({ at: "mail", code: 550, text: "5.7.1 sender not allowed" });
    const error = await fail(makeMailer().send(await makeMail()));
    expect(error).toMatchObject({ isFinal: false, message: expect.stringMatching("MAIL FROM") });
    sink.wishes.push({ at: "auth", code: 535, text: "5.7.8 wrong secret" });
    const url = `smtp://user:secret@127.0.0.1:${sink.port}`;
    const refused = await fail(makeMailer(url).send(await makeMail()));
    expect(refused).toMatchObject({ isFinal: false });
    expect(refused.message).not.toContain("secret");
    await makeMailer(url).send(await makeMail());
    const odd = await startOddServer((socket) => socket.end("554 go away\r\n"));
    opened.push(odd);
    expect(await fail(makeMailer(odd.url).send(await makeMail()))).toMatchObject({
      isFinal: false,
    });
  });
});

describe("a server", () => {
  it("that is gone after it took the mail gets it once per attempt, under one id", async () => {
    const mail = await makeMail();
    const mailer = makeMailer();
    sink.wishes.push("drop");
    expect(await fail(mailer.send(mail))).toMatchObject({ isFinal: false });
    expect(sink.mails).toHaveLength(1);
    await mailer.send(mail);
    const ids = sink.mails.map(({ messageId }) => messageId);
    expect(ids).toEqual([`<${mail.id}@garden.example>`, `<${mail.id}@garden.example>`]);
  });

  it("that hangs up before a word is asked once per attempt", async () => {
    let calls = 0;
    const curt = await startOddServer((socket) => {
      calls += 1;
      socket.end();
    });
    opened.push(curt);
    expect(await fail(makeMailer(curt.url).send(await makeMail()))).toMatchObject({
      isFinal: false,
    });
    expect(calls).toBe(1);
  });

  it("that is not there is tried again", async () => {
    const mailer = makeMailer();
    await sink.close();
    expect(await fail(mailer.send(await makeMail()))).toMatchObject({ isFinal: false });
  });

  it("that says nothing is given up", async () => {
    const mute = await startOddServer(() => {});
    opened.push(mute);
    const greeting = await fail(makeMailer(mute.url, { greetingMs: 100 }).send(await makeMail()));
    expect(greeting).toMatchObject({ isFinal: false, message: "SMTP: to CONN (ETIMEDOUT)" });
    sink.wishes.push("silence");
    const answer = await fail(makeMailer(sink.url, { idleMs: 700 }).send(await makeMail()));
    expect(answer).toMatchObject({ isFinal: false, message: "SMTP: to CONN (ETIMEDOUT)" });
    expect(sink.mails).toHaveLength(1);
  });

  it("that says a little now and then is given up as well, and keeps no other waiting", async () => {
    const slow = await startOddServer((socket) => {
      const drip = setInterval(() => socket.write("220-wait\r\n"), 5);
      socket.on("close", () => clearInterval(drip));
    });
    opened.push(slow);
    const mailer = makeMailer(slow.url, { sendMs: 100, greetingMs: 600_000 });
    const mails = await Promise.all([1, 2, 3, 4, 5, 6].map(() => makeMail()));
    const errors = await Promise.all(mails.map((mail) => fail(mailer.send(mail))));
    for (const error of errors) {
      expect(error).toMatchObject({ isFinal: false, message: "SMTP: took too long" });
    }
  });

  it("that offers no encryption gets no password, unless it is on this machine", async () => {
    // Another name of this machine that does not look like one.
    const url = `smtp://user:secret@[::ffff:127.0.0.1]:${sink.port}`;
    const error = await fail(makeMailer(url).send(await makeMail()));
    expect(error).toMatchObject({ isFinal: false, message: expect.stringMatching("STARTTLS") });
    await makeMailer(`${url}?requireTLS=false`).send(await makeMail());
    await makeMailer(`smtp://user:secret@127.0.0.1:${sink.port}`).send(await makeMail());
  });
});
