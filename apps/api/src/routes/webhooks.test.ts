import { connectDatabase } from "@ducat/db/connect";
import { findDueWebhookEvents } from "@ducat/db/webhook-events";
import { processWebhook } from "@ducat/payments/process-webhook";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startLemonRig } from "../../../../packages/billing/test/lemon-squeezy-rig.ts";
import type { Alteration, Rig } from "../../../../packages/billing/test/rig.ts";
import { startSandboxRig } from "../../../../packages/billing/test/sandbox-rig.ts";
import { startStripeRig } from "../../../../packages/billing/test/stripe-rig.ts";
import { eventually, type Stage, setStage } from "../../test/stage.ts";
import { buyPack, makeApp, makePost, type Post, type Sent } from "../../test/webhook-stage.ts";

const rigs: [string, () => Promise<Rig>][] = [
  ["stripe", startStripeRig],
  ["lemonsqueezy", startLemonRig],
  ["sandbox", startSandboxRig],
];
const otherSecret = `whsec_${Buffer.from("another secret, as long as ours").toString("base64")}`;

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const countRows = async () =>
  (await stage.db.admin`SELECT count(*) AS n FROM ducat.webhook_events`)[0]?.n as number;

describe.each(rigs)("a webhook of %s", (name, start) => {
  let rig: Rig;
  let post: Post;
  let good: Sent;
  beforeAll(async () => {
    rig = await start();
    post = makePost(makeApp(stage, rig.provider), name);
  });
  afterAll(() => rig.close());
  beforeEach(async () => {
    good = (await buyPack(rig)).at(-1) as Sent;
  });

  const sign = (body: string, options?: { secret?: string; at?: number }): Sent =>
    rig.sign?.(body, options) as Sent;
  const readRow = async (body: Buffer) =>
    (await stage.db.admin`SELECT * FROM ducat.webhook_events WHERE body = ${body}`)[0];

  /** Each is refused with 400, or the status given, and leaves no row. */
  const expectRefused = async (sent: Sent, status = 400, more = {}) => {
    const before = await countRows();
    const answer = await post(sent, more);
    const body = await answer.json();
    expect([answer.status, await countRows()]).toEqual([status, before]);
    return body;
  };

  it("is stored as it came when it is answered with 200, and a worker is woken", async () => {
    const answer = await post(good);
    expect([answer.status, await answer.text()]).toEqual([200, "ok"]);
    const row = await readRow(good.raw);
    expect(row).toMatchObject({ provider: name, mode: "test", status: "received", retry_count: 0 });
    await stage.deps.enqueue.drain();
    await eventually(async () => {
      const job = await stage.queue.bull("process-webhook").getJob(String(row?.id));
      expect(job?.data).toEqual({ eventId: row?.id });
    });
  });

  it("is one row however often it comes, one after the other or at once", async () => {
    const before = await countRows();
    for (let n = 0; n < 2; n += 1) expect((await post(good)).status).toBe(200);
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(good)));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(await countRows()).toBe(before + 1);
  });

  it("is refused when it is forged, re-serialised or signed with another secret", async () => {
    const body = good.raw.toString("utf8");
    const bad: Sent[] = [
      { raw: Buffer.from(body.replace("1", "2")), headers: good.headers },
      { raw: Buffer.from(JSON.stringify(JSON.parse(body), null, 1)), headers: good.headers },
      { raw: Buffer.from(`${body} `), headers: good.headers },
      { raw: Buffer.from(""), headers: good.headers },
      sign(body, { secret: otherSecret }),
    ];
    for (const sent of bad) {
      expect(await expectRefused(sent)).toMatchObject({ code: "signature_invalid" });
    }
    for (const text of ["[]", "null", "{", "<html>"]) await expectRefused(sign(text));
  });

  it("is refused when any byte of the signature is another", async () => {
    const header = rig.headerOfSignature ?? "";
    const signature = good.headers[header] ?? "";
    const before = await countRows();
    expect(signature.length).toBeGreaterThan(40);
    for (let at = 0; at < signature.length; at += 1) {
      const flipped = String.fromCharCode(signature.charCodeAt(at) ^ 1);
      const text = signature.slice(0, at) + flipped + signature.slice(at + 1);
      const answer = await post({ raw: good.raw, headers: { ...good.headers, [header]: text } });
      expect([at, answer.status]).toEqual([at, 400]);
    }
    expect(await countRows()).toBe(before);
  });

  it("is refused without a signature, and with one that comes twice", async () => {
    const header = rig.headerOfSignature ?? "";
    const { [header]: signature = "", ...rest } = good.headers;
    await expectRefused({ raw: good.raw, headers: rest });
    await expectRefused({ raw: good.raw, headers: { ...rest, [header]: "" } });
    await expectRefused(good, 400, { headers: [[header, signature]] });
    await expectRefused(good, 400, { headers: [[header, "t=1,v1=00"]] });
  });

  it("is refused when it is stale, where there is a time in its signature", async () => {
    if (rig.provider.caps.eventId === "untrusted") return;
    await expectRefused(sign(good.raw.toString("utf8"), { at: rig.clock.now - 301_000 }));
  });

  it("is refused when it is of the other mode or of another version", async () => {
    const bodies = [good, ...(await buyPack(rig))].map(({ raw }) => raw.toString("utf8"));
    const alter = (change: Alteration) =>
      bodies.map((body) => rig.alter?.(body, change)).filter((body) => body !== undefined);
    const [wrongMode] = alter({ mode: true });
    expect(await expectRefused(sign(wrongMode ?? ""))).toMatchObject({ reason: "wrong_mode" });
    for (const body of alter({ version: "2020-08-27" })) {
      expect(await expectRefused(sign(body))).toMatchObject({ reason: "wrong_api_version" });
    }
  });

  it("is refused when it is too large, announced or not", async () => {
    const large = sign(`{"x":"${"x".repeat(1024 * 1024)}"}`);
    expect(await expectRefused(large, 413)).toMatchObject({ code: "payload_too_large" });
    const { length } = large.raw;
    await expectRefused(large, 413, { headers: [["content-length", String(length)]] });
  });

  it("is asked for again while the database is away", async () => {
    const db = connectDatabase({ url: "postgres://ducat@127.0.0.1:1/x", role: "ducat_app" });
    const before = await countRows();
    const answer = await makePost(makeApp(stage, rig.provider, { db }), name)(good);
    expect([answer.status, await countRows()]).toEqual([503, before]);
    await db.end({ timeout: 0 });
  });

  it("is not there at a provider that this deployment does not have", async () => {
    for (const provider of ["zarinpal", "paypal", "toString", "__proto__"]) {
      await expectRefused(good, 404, { provider });
    }
  });

  it("of a type that means nothing to us is kept and ignored", async () => {
    const event = JSON.parse(good.raw.toString("utf8"));
    if (name === "lemonsqueezy") {
      event.meta.event_name = "license_key_created";
      event.data.type = "license-keys";
    } else {
      event.type = "balance.available";
      event.id = `${event.id}_2`;
    }
    const sent = sign(JSON.stringify(event));
    expect((await post(sent)).status).toBe(200);
    const row = await readRow(sent.raw);
    const { payments } = stage.deps;
    const providers = new Map([[rig.provider.name, rig.provider]]);
    const deps = { ...payments, providers, db: stage.db.worker };
    expect(await processWebhook(deps, String(row?.id))).toBe("ignored");
    expect(await readRow(sent.raw)).toMatchObject({ status: "ignored", due_at: null });
    const reach = { providers: [name], mode: "test" as const, limit: 500 };
    expect(await findDueWebhookEvents(stage.db.worker, reach)).not.toContain(row?.id);
  });
});

it("a webhook is stored and answered while the queue is away", async () => {
  const down = await setStage({ queue: "down" });
  const rig = await startSandboxRig();
  const post = makePost(makeApp(down, rig.provider), "sandbox");
  const [good] = (await buyPack(rig)) as [Sent];
  expect((await post(good)).status).toBe(200);
  const rows = await down.db.admin`SELECT status FROM ducat.webhook_events`;
  expect(rows).toMatchObject([{ status: "received" }]);
  await rig.close();
  await down.close();
});
