/** One round of sending messages in a process of its own, for a test that kills it. */
import { connectDatabase } from "@ducat/db/connect";
import { createMailer } from "@ducat/messages/mailer";
import { createSeal } from "@ducat/messages/seal";
import { createSendMessages } from "../src/jobs/send-messages.ts";

const [databaseUrl = "", smtpUrl = ""] = process.argv.slice(2);
const db = connectDatabase({ url: databaseUrl, role: "ducat_worker" });
const from = { name: "", address: "mail@shop.example" };
const log = { info() {}, warn() {}, error() {} };
await createSendMessages({
  db,
  senders: { email: createMailer({ url: smtpUrl, from }) },
  seal: createSeal(["s".repeat(32)]),
  log,
  publicUrl: "https://pay.example",
  leaseSeconds: 60,
  databaseWaitMs: 0,
})(new AbortController().signal);
process.exit(0);
