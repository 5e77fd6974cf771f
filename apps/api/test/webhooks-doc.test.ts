import { execFile, spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { createWebhookSecrets } from "@ducat/messages/webhook-secrets";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noteMissing } from "../../../infra/dev/parts.ts";

type Sent = { headers: Record<string, string>; body: string };

const secrets = createWebhookSecrets(["s".repeat(32)]);
const [{ secret }, { secret: former }] = [secrets.make(), secrets.make()];
const body = '{"id": "01a3", "type": "credits.low", "data": {"grüße": "سلام"}}';

/** As the scheme has it: github.com/standard-webhooks/standard-webhooks, spec. */
function send(signing: string[], { at = Date.now(), text = body } = {}): Sent {
  const id = "01a3c5e7-9b1d-7f3a-8c5e-7092b4d6f8a1";
  const timestamp = String(Math.floor(at / 1000));
  const signatures = signing.map((one) => {
    const key = Buffer.from(one.slice("whsec_".length), "base64");
    const signed = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`);
    return `v1,${signed.digest("base64")}`;
  });
  const headers = { "webhook-id": id, "webhook-timestamp": timestamp };
  return { headers: { ...headers, "webhook-signature": signatures.join(" ") }, body: text };
}

/** On most machines; CI installs none. */
const hasPython = spawnSync("python3", ["--version"]).status === 0;
if (!hasPython) noteMissing("docs/webhooks.md in Python: not run, python3 is not on PATH");

const minutes = (count: number) => Date.now() + count * 60_000;
const [good, bad] = [
  [send([secret]), send([former, secret]), send([secret], { at: minutes(-4) })],
  [
    send([former]),
    send([secret], { at: minutes(-6) }),
    send([secret], { at: minutes(6) }),
    send([secret], { text: body.replace("low", "top") }),
    { ...send([secret]), headers: { ...send([secret]).headers, "webhook-id": "another" } },
    { ...send([secret]), headers: { ...send([secret]).headers, "webhook-timestamp": "soon" } },
    { ...send([secret]), headers: { ...send([secret]).headers, "webhook-signature": "" } },
    { ...send([secret]), headers: { ...send([secret]).headers, "webhook-signature": "v1,x v1" } },
  ],
];

describe("docs/webhooks.md verifies what is sent, and refuses what is not", async () => {
  const page = await readFile(new URL("../../../docs/webhooks.md", import.meta.url), "utf8");
  const exampleIn = (language: string) =>
    new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? "";
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "ducat-doc-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("in Node", async () => {
    const file = join(folder, "verify.mjs");
    await writeFile(file, exampleIn("js"));
    const { verifyWebhook } = await import(pathToFileURL(file).href);
    for (const { headers, body } of good) {
      expect(verifyWebhook(secret, headers, body)).toEqual(JSON.parse(body));
    }
    for (const { headers, body } of bad) {
      expect(() => verifyWebhook(secret, headers, body), JSON.stringify(headers)).toThrow();
    }
  });

  it.skipIf(!hasPython)("in Python (needs python3)", async () => {
    const file = join(folder, "verify.py");
    const run = `
import sys
for sent in json.load(sys.stdin):
    try:
        print(verify_webhook("${secret}", sent["headers"], sent["body"].encode())["type"])
    except ValueError:
        print("refused")
`;
    await writeFile(file, exampleIn("python") + run);
    const running = promisify(execFile)("python3", [file]);
    running.child.stdin?.end(JSON.stringify([...good, ...bad]));
    const lines = (await running).stdout.trim().split("\n");
    expect(lines).toEqual([...good.map(() => "credits.low"), ...bad.map(() => "refused")]);
  });
});
