import { createImageIntake } from "@ducat/storage/image-intake";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeContext, makeTask } from "../../test/generator-task.ts";
import { falRoute } from "../../test/model-fal.ts";
import { createQueues, type Queues } from "../../test/model-queues.ts";
import { replicateRoute } from "../../test/model-replicate.ts";
import { type ModelServer, startModelServer } from "../../test/model-server.ts";
import { createPhotoFetcher } from "../fetch-photo.ts";
import { createFalGenerator } from "./fal.ts";
import { type Generator, type Progress, sentMark, type Task } from "./generator.ts";
import { createReplicateGenerator } from "./replicate.ts";

const pace = { pollMs: 5, mostPollMs: 20, askAgainMs: 50 };
const kinds = ["fal", "replicate"] as const;
type Kind = (typeof kinds)[number];
const imageIntake = createImageIntake();

describe.each(kinds)("work in the queue of %s", (kind) => {
  let queues: Queues;
  let server: ModelServer;
  beforeAll(async () => {
    queues = createQueues([falRoute, replicateRoute]);
    server = await startModelServer({ keepsKeys: true, routes: queues.routes });
  });
  beforeEach(() => queues.release());
  afterAll(() => server.close());

  const create = (more: object = {}, allowHosts = [new URL(server.url).host]): Generator => {
    const path = { fal: "fal", replicate: "replicate/v1" }[kind];
    const endpoint = { name: kind, url: `${server.url}/${path}`, key: "secret-key", ...more };
    const deps = { fetchPhoto: createPhotoFetcher({ allowHosts }), imageIntake };
    return { fal: createFalGenerator, replicate: createReplicateGenerator }[kind](
      endpoint,
      deps,
      pace,
    );
  };
  const order = (wishes: Parameters<ModelServer["books"]["order"]>[0] = {}, photo?: Buffer) => {
    const made = server.books.order(wishes);
    return { id: made.id, task: makeOrderTask(kind, made.prompt, photo) };
  };
  const arrived = (id: string) => server.requests.filter(({ text }) => text.includes(id));
  const workOf = (id: string) => queues.works().filter(({ text }) => text.includes(id));

  it("is marked before it leaves, and named before it is waited for", async () => {
    const { id, task } = order();
    const saved: string[] = [];
    const seen: number[] = [];
    const saveRequestId = async (given: string) => {
      saved.push(given);
      seen.push(arrived(id).length, workOf(id)[0]?.asked ?? 0);
    };
    const outcome = await create().run(task, makeContext({ saveRequestId }));
    expect(outcome).toMatchObject({ status: "completed", output: { type: "image/webp" } });
    expect(saved).toEqual([sentMark, workOf(id)[0]?.id]);
    expect(seen).toEqual([0, 0, 1, 0]);
  });

  it("tells how far it is, as far as its model counts", async () => {
    const { task } = order();
    queues.hold();
    const seen: Progress[] = [];
    const report = (progress: Progress) => {
      seen.push(progress);
      queues.release();
    };
    expect(await create().run(task, makeContext({ report }))).toMatchObject({
      status: "completed",
    });
    expect(new Set(seen.map(({ fraction }) => fraction))).toEqual(new Set([0.4]));
  });

  it("is only asked for when its id is known, without its photo", async () => {
    const { id, task } = order();
    queues.hold();
    const saved: string[] = [];
    const first = await create({ timeout_s: 0.2 }).run(task, makeContext({ saved }));
    expect(first).toMatchObject({ status: "unknown" });
    expect(first).not.toHaveProperty("away", true);
    queues.release();
    const requestId = saved[1] ?? "";
    const input = { type: "photo", photo: Buffer.alloc(0) } as const;
    const second = await create().run({ ...task, input }, makeContext({ requestId }));
    expect(second).toMatchObject({ status: "completed" });
    expect(server.books.submissions(id)).toHaveLength(1);
  });

  it("that may have been submitted is never submitted again", async () => {
    const { id, task } = order();
    const outcome = await create().run(task, makeContext({ requestId: sentMark }));
    expect(outcome).toMatchObject({ code: "outcome_unknown", retryable: false, failover: true });
    expect(arrived(id)).toEqual([]);
  });

  it("is submitted again where the provider gives its first answer to the same key", async () => {
    const { id, task } = order({ fault: "reset-after" });
    const generator = create({ idempotency_header: "idempotency-key" });
    const context = makeContext();
    expect(await generator.run(task, context)).toMatchObject({ status: "unknown", away: true });
    const again = { ...context, requestId: sentMark };
    expect(await generator.run(task, again)).toMatchObject({ status: "completed" });
    expect(arrived(id)).toHaveLength(2);
    expect(server.books.submissions(id)).toHaveLength(1);
  });

  it("has its photo when it is sent again too", async () => {
    const { id, task } = order({}, Buffer.from("a photo"));
    const generator = create({ idempotency_header: "idempotency-key" });
    await generator.run(task, makeContext({ requestId: sentMark }));
    expect(arrived(id)[0]?.text).toContain(Buffer.from("a photo").toString("base64"));
  });

  it("leaves once, even when the connection breaks or the provider is over its limits", async () => {
    for (const fault of ["reset-before", "limit-seconds"] as const) {
      const { id, task } = order({ fault, times: 99 });
      await create().run(task, makeContext());
      expect(arrived(id)).toHaveLength(1);
    }
  });

  it("is canceled when its time is over for good, and only then", async () => {
    const past = new Date(Date.now() - 1_000);
    const cases = [
      { deadline: past, why: "deadline", isCanceled: true },
      { deadline: past, why: "closing", isCanceled: false },
      { deadline: new Date(Date.now() + 60_000), why: "deadline", isCanceled: false },
    ];
    for (const { deadline, why, isCanceled } of cases) {
      const { id, task } = order();
      queues.hold();
      const ending = new AbortController();
      const context = makeContext({ deadline, signal: ending.signal });
      const running = create().run(task, context);
      await expect.poll(() => workOf(id)[0]?.asked ?? 0).toBeGreaterThan(1);
      ending.abort({ why });
      await expect(running).rejects.toEqual({ why });
      expect(workOf(id)[0]).toMatchObject({ isCanceled });
    }
  });

  it("knows the item's deadline", async () => {
    const { id, task } = order();
    await create().run(task, makeContext({ deadline: new Date(Date.now() + 300_000) }));
    const headers = arrived(id)[0]?.headers ?? {};
    const said = headers["x-fal-request-timeout"] ?? headers["cancel-after"];
    const seconds = Number.parseInt(String(said), 10);
    expect(seconds).toBeGreaterThan(290);
    expect(seconds).toBeLessThanOrEqual(360);
  });

  it("whose result lies at a private address is not fetched from there", async () => {
    const { id, task } = order();
    const outcome = await create({}, []).run(task, makeContext());
    expect(outcome).toMatchObject({ code: "bad_output", retryable: false, failover: true });
    const drawn = server.requests.map(({ path }) => path);
    expect(drawn).not.toContain(`/drawn/${workOf(id)[0]?.id}`);
  });

  it("that the provider has forgotten is not sent again either", async () => {
    const { id, task } = order();
    const context = makeContext({ requestId: "gone" });
    expect(await create().run(task, context)).toMatchObject({ status: "unknown" });
    const last = await create().run({ ...task, attempt: 8 }, context);
    expect(last).toMatchObject({ code: "outcome_unknown", failover: true });
    expect(server.books.submissions(id)).toEqual([]);
  });

  it("carries the style's parameters, the offered ones of the caller, and the photo", async () => {
    const photo = await sharp({ create: { width: 9, height: 9, channels: 3, background: "#123" } })
      .webp()
      .toBuffer();
    const { id, task } = order({}, photo);
    await create({ headers: { "x-team": "garden" } }).run(task, makeContext());
    const [request] = arrived(id);
    expect(request?.headers).toMatchObject({ "x-team": "garden" });
    expect(request?.headers.authorization).toMatch(/^(?:Key|Bearer) secret-key$/);
    const body = JSON.parse(request?.text ?? "");
    const url = `data:image/webp;base64,${photo.toString("base64")}`;
    const prompt = expect.stringContaining(id);
    expect(kind === "fal" ? body : body.input).toMatchObject(
      kind === "fal"
        ? { prompt, quality: "high", image_url: url, image_size: { width: 64, height: 32 } }
        : { prompt, quality: "high", image: url, size: "64x32", steps: 4 },
    );
    expect(JSON.stringify(body)).not.toContain("nobody-offered-it");
  });

  it("is refused at once when the style names no model", async () => {
    const { id, task } = order();
    for (const model of [undefined, "", "../admin", "a b/c", "https://evil.example/x"]) {
      const style = { ...task.style, params: { model } };
      const outcome = await create().run({ ...task, style }, makeContext());
      expect(outcome).toMatchObject({ code: "provider_refused", retryable: false });
    }
    expect(arrived(id)).toEqual([]);
  });
});

const models: Record<Kind, string> = { fal: "fal-ai/submit/draw", replicate: "test/submit" };

/** An order's task; with a photo the mark is in the template. */
function makeOrderTask(kind: Kind, mark: string, photo?: Buffer): Task {
  const prompt = photo ? mark : "{input}";
  const inputs = { properties: { quality: {} } };
  const params = {
    ...{ model: models[kind], size: "64x32", quality: "low", inputs },
    extra: kind === "fal" ? {} : { steps: 4 },
  };
  const task = makeTask({
    input: photo ? { type: "photo", photo } : { type: "text", prompt: mark },
    params: { quality: "high", size: "9999x9999", steps: "nobody-offered-it" },
  });
  return { ...task, style: { ...task.style, generator: kind, params, prompt } };
}
