import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bundleEntry } from "../../../../infra/test/bundle-entry.ts";
import { createAccount } from "../../../../packages/db/src/accounts.ts";
import { cloneDatabase, type TestDatabase } from "../../../../packages/db/test/clone.ts";
import { type MailSink, startMailSink } from "../../../../packages/messages/test/mail-sink.ts";
import { samples } from "../../../../packages/messages/test/samples.ts";

let database: TestDatabase;
let sink: MailSink;
beforeAll(async () => {
  database = await cloneDatabase();
  sink = await startMailSink();
});
afterAll(async () => {
  await sink.close();
  await database.close();
});

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const entry = fileURLToPath(new URL("../../test/send-once.ts", import.meta.url));
const startWorker = async (): Promise<ChildProcess> =>
  spawn(process.execPath, [await bundleEntry(entry), database.url, sink.url], {
    cwd: root,
    stdio: "inherit",
  });

it("a mail whose worker is killed before it is recorded comes again under its id", async () => {
  const person = { external_id: "sara", kind: "user" as const, email: "sara@home.example" };
  const { account } = await createAccount(database.app, person);
  await database.admin`
    SELECT ducat.queue_message(${account.id}, 'receipt',
      ${JSON.stringify(samples.receipt)}::text::jsonb, 'receipt:1')`;
  const read = async () => {
    const [row] = await database.admin`SELECT id, status, attempts FROM ducat.messages`;
    return row;
  };

  const first = await startWorker();
  const ended = once(first, "exit");
  // The server has the whole mail; its answer finds nobody.
  sink.onMail = () => {
    first.kill("SIGKILL");
    return ended;
  };
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(await read()).toMatchObject({ status: "pending", attempts: 1 });

  delete sink.onMail;
  await database.admin`UPDATE ducat.messages SET due_at = clock_timestamp()`;
  expect(await once(await startWorker(), "exit")).toEqual([0, null]);
  expect(await once(await startWorker(), "exit")).toEqual([0, null]);
  const row = await read();
  expect(row).toMatchObject({ status: "sent", attempts: 2 });
  const id = `<${row?.id}@shop.example>`;
  expect(sink.mails.map(({ messageId }) => messageId)).toEqual([id, id]);
});
