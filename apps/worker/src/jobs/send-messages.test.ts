import { randomUUID } from "node:crypto";
import { recordMessage } from "@ducat/db/messages";
import { createMailer } from "@ducat/messages/mailer";
import { createSeal } from "@ducat/messages/seal";
import type { Outgoing } from "@ducat/messages/sender";
import type { Senders } from "@ducat/messages/senders";
import { DomainError } from "@ducat/types/errors";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createAccount, type NewAccount } from "../../../../packages/db/src/accounts.ts";
import { cloneDatabase, type TestDatabase } from "../../../../packages/db/test/clone.ts";
import { type MailSink, startMailSink } from "../../../../packages/messages/test/mail-sink.ts";
import { samples } from "../../../../packages/messages/test/samples.ts";
import { createSendMessages, type SendMessagesDeps } from "./send-messages.ts";

let database: TestDatabase;
let sink: MailSink;
let lines: object[];
const closing: (() => Promise<void>)[] = [];
beforeAll(async () => {
  database = await cloneDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  lines = [];
  sink = await startMailSink();
  await database.admin`DELETE FROM ducat.messages`;
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
  await sink.close();
});

const { signal } = new AbortController();
const from = { name: "Shop", address: "mail@shop.example" };
const write = (detail: object, said: string) => void lines.push({ ...detail, said });

function makeSenders(): Senders {
  const email = createMailer({ url: sink.url, from });
  closing.push(() => email.close());
  return { email };
}

const seal = createSeal(["s".repeat(32)]);

/** One round of a worker. */
const send = (more: Partial<SendMessagesDeps> = {}) =>
  createSendMessages({
    db: database.worker,
    senders: makeSenders(),
    seal,
    log: { info: write, warn: write, error: write },
    publicUrl: "https://pay.example",
    brand: "Shop",
    leaseSeconds: 60,
    databaseWaitMs: 0,
    ...more,
  })(signal);

/** A promise that the test settles. */
function makeGate() {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

async function makePerson(more: Partial<NewAccount> = {}) {
  const email = `${randomUUID()}@home.example`;
  const person = { external_id: randomUUID(), kind: "user" as const, email, ...more };
  return (await createAccount(database.app, person)).account;
}

async function queueMessage(accountId: string, kind = "receipt", data = samples[kind]) {
  const [row] = await database.admin`
    SELECT ducat.queue_message(${accountId}, ${kind}, ${JSON.stringify(data ?? {})}::text::jsonb,
      ${randomUUID()}) AS queued`;
  expect(row?.queued).toBe(true);
}

const listRows = (accountId: string) => database.admin`
  SELECT id, kind, status, attempts, last_error FROM ducat.messages
  WHERE account_id = ${accountId} ORDER BY created_at`;

const makeDue = () => database.admin`
  UPDATE ducat.messages SET due_at = clock_timestamp() WHERE due_at IS NOT NULL`;

it("sends what is due to whom it is for, in their language, once", async () => {
  const sara = await makePerson({ name: "Sara" });
  const mina = await makePerson({ name: "مینا", locale: "fa" });
  await queueMessage(sara.id);
  await queueMessage(mina.id, "renewal_due");
  await send();
  await send();
  const [toSara, toMina] = [sara, mina].map(({ email }) =>
    sink.mails.find(({ envelope }) => envelope.to[0] === email),
  );
  expect(sink.mails).toHaveLength(2);
  expect(toSara).toMatchObject({ subject: "Receipt: Pack of 50", from });
  expect(toSara?.text).toContain("Hello Sara,");
  expect(toMina?.html).toContain('href="https://pay.example/pay/k3Vb9fJ2nQx8Rt5LmZp0"');
  expect(toMina?.text).toContain("مینا گرامی");
  const [row] = await listRows(sara.id);
  expect(row).toMatchObject({ status: "sent", attempts: 1, last_error: null });
  expect(toSara?.messageId).toBe(`<${row?.id}@shop.example>`);
  expect(lines).toContainEqual(expect.objectContaining({ message: row?.id, status: "sent" }));
  expect(JSON.stringify(lines)).not.toMatch(/home\.example|Sara/);
});

it("mails links to the product's own pages for logins, where it has some", async () => {
  const { id, email } = await makePerson();
  await queueMessage(id, "verify_email", samples.verify_email);
  await queueMessage(id, "renewal_due");
  await send({ loginPageUrl: "https://shop.example/me" });
  const mails = sink.mails.filter(({ envelope }) => envelope.to[0] === email);
  const html = mails.map((mail) => mail.html).join();
  expect(mails).toHaveLength(2);
  expect(html).toContain("https://shop.example/me/verify-email?token=");
  expect(html).toContain("https://pay.example/pay/");
  expect(html).not.toContain("/auth/");
});

it("tries again what was put off, with the same Message-ID, and gives up what was refused", async () => {
  const [late, gone] = [await makePerson(), await makePerson()];
  await queueMessage(late.id);
  sink.wishes.push({ at: "rcpt", code: 451 }, { at: "data", code: 451 });
  for (let round = 0; round < 3; round++) {
    await send();
    await makeDue();
  }
  expect(await listRows(late.id)).toMatchObject([{ status: "sent", attempts: 3 }]);
  expect(new Set(sink.mails.map(({ messageId }) => messageId)).size).toBe(1);
  await queueMessage(gone.id);
  sink.wishes.push({ at: "rcpt", code: 550 });
  await send();
  await makeDue();
  await send();
  const [row] = await listRows(gone.id);
  expect(row).toMatchObject({ status: "failed", attempts: 1 });
  expect(row?.last_error).toBe("SMTP: 550 to RCPT TO (EENVELOPE)");
});

it("a message that can't be made ends, and keeps no other from being sent", async () => {
  const { id } = await makePerson();
  await queueMessage(id, "receipt", { amount: "much" });
  await queueMessage(id, "unheard_of", {});
  await queueMessage(id, "refund");
  await send();
  expect(await listRows(id)).toMatchObject([
    {
      kind: "receipt",
      status: "failed",
      last_error: expect.stringMatching("the data doesn't fit"),
    },
    { kind: "unheard_of", status: "failed", last_error: 'there is no message "unheard_of"' },
    { kind: "refund", status: "sent" },
  ]);
});

it("keeps what it has no sender for", async () => {
  const phone = await makePerson({ email: undefined, phone: "+989120000009" });
  const mail = await makePerson();
  await queueMessage(phone.id, "reload_needs_customer");
  await queueMessage(mail.id);
  await send({ senders: {} });
  await send();
  expect(await listRows(phone.id)).toMatchObject([{ status: "pending", attempts: 0 }]);
  expect(await listRows(mail.id)).toMatchObject([{ status: "sent" }]);
  const sent: Outgoing[] = [];
  const sms = { send: async (one: Outgoing) => void sent.push(one), close: async () => {} };
  await send({ senders: { sms } });
  expect(sent).toMatchObject([{ to: "+989120000009", sms: expect.stringMatching(/^Shop: Your/) }]);
  expect(await listRows(phone.id)).toMatchObject([{ status: "sent" }]);
});

it("several workers send each message once", async () => {
  const people = await Promise.all(Array.from({ length: 12 }, () => makePerson()));
  for (const { id } of people) await queueMessage(id);
  await Promise.all([send(), send(), send()]);
  expect(sink.mails).toHaveLength(12);
  expect(new Set(sink.mails.map(({ messageId }) => messageId)).size).toBe(12);
});

it("no other worker gets a message while a slow server is taking it", async () => {
  const { id } = await makePerson();
  await queueMessage(id);
  const gate = makeGate();
  sink.onMail = () => gate.opened;
  const first = send();
  await vi.waitFor(() => expect(sink.mails).toHaveLength(1), 30_000);
  await send();
  gate.open();
  await first;
  expect(sink.mails).toHaveLength(1);
  expect(await listRows(id)).toMatchObject([{ status: "sent", attempts: 1 }]);
});

it("while the server is away it asks for no more than one batch a round", async () => {
  const { id } = await makePerson();
  for (let n = 0; n < 12; n++) await queueMessage(id);
  await sink.close();
  await send();
  const rows = await listRows(id);
  expect(rows.filter(({ attempts }) => attempts === 1)).toHaveLength(5);
  expect(rows.every(({ status }) => status === "pending")).toBe(true);
  sink = await startMailSink();
  await makeDue();
  await send();
  expect(sink.mails).toHaveLength(12);
});

describe("a mail that was taken and not recorded", () => {
  it("is sent again under its id, when the database was away", async () => {
    const { id } = await makePerson();
    await queueMessage(id);
    let isAway = false;
    sink.onMail = () => {
      isAway = true;
    };
    const db = new Proxy(database.worker, {
      apply(target, self, args) {
        if (!isAway) return Reflect.apply(target, self, args);
        return Promise.reject(new DomainError("unavailable"));
      },
    });
    await send({ db });
    expect(lines).toContainEqual(
      expect.objectContaining({ said: "a message's attempt was not recorded" }),
    );
    await send();
    expect(sink.mails).toHaveLength(1);
    await makeDue();
    await send();
    const ids = sink.mails.map(({ messageId }) => messageId);
    expect(ids).toEqual([ids[0], ids[0]]);
    expect(await listRows(id)).toMatchObject([{ status: "sent", attempts: 2 }]);
  });

  it("stays as the later attempt recorded it, when the first one's word comes late", async () => {
    const { id } = await makePerson();
    await queueMessage(id);
    const gate = makeGate();
    sink.onMail = () => gate.opened;
    const slow = send();
    await vi.waitFor(() => expect(sink.mails).toHaveLength(1), 30_000);
    await makeDue();
    sink.wishes.push({ at: "rcpt", code: 550 });
    await send();
    gate.open();
    await slow;
    expect(await listRows(id)).toMatchObject([{ status: "failed", attempts: 2 }]);
    const [row] = await listRows(id);
    const stale = { accountId: id, id: row?.id, attempt: 1 };
    expect(await recordMessage(database.worker, stale, { outcome: "sent" })).toBeUndefined();
  });
});

describe("a message that holds a secret", () => {
  const token = "Zr7q_tK3vYw0bN5mXc8LdP2sHf6jGaQe-1uVoTiRkEx";
  const queueSecret = (id: string, kind = "verify_email") => database.admin`
    SELECT ducat.queue_secret_message(${id}, 'email', 'new@home.example', ${kind},
      ${JSON.stringify(seal.seal({ token }))}::text::jsonb, ${randomUUID()})`;
  const readRow = async (id: string) => {
    const [row] = await database.admin<{ text: string; status: string }[]>`
      SELECT m::text AS text, status FROM ducat.messages m WHERE account_id = ${id}`;
    return row;
  };

  it("goes to the address it names, and is nowhere in clear, then nowhere at all", async () => {
    const { id } = await makePerson();
    await queueSecret(id);
    expect((await readRow(id))?.text).not.toContain(token);
    sink.wishes.push({ at: "rcpt", code: 451 });
    await send();
    expect((await readRow(id))?.text).toContain("sealed");
    await makeDue();
    await send();
    const [mail] = sink.mails;
    expect(mail?.envelope.to).toEqual(["new@home.example"]);
    expect(mail?.text).toContain(`/auth/verify-email?token=${token}`);
    const row = await readRow(id);
    expect(row?.status).toBe("sent");
    expect(row?.text).not.toMatch(/sealed|new@home/);
  });

  it("is emptied as well when it is given up", async () => {
    const refused = await makePerson();
    await queueSecret(refused.id);
    sink.wishes.push({ at: "rcpt", code: 550 });
    await send();
    const silent = await makePerson();
    await queueSecret(silent.id);
    await database.admin`
      UPDATE ducat.messages SET attempts = 18 WHERE account_id = ${silent.id}`;
    await send();
    for (const { id } of [refused, silent]) {
      const row = await readRow(id);
      expect(row?.status).toBe("failed");
      expect(row?.text).not.toMatch(/sealed|new@home/);
    }
  });

  it("sealed with a secret of another deployment is given up, not tried for ever", async () => {
    const { id } = await makePerson();
    await queueSecret(id);
    await send({ seal: createSeal(["other".repeat(8)]) });
    expect((await readRow(id))?.status).toBe("failed");
  });
});
