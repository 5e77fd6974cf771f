import { randomBytes } from "node:crypto";
import { createImageIntake } from "@ducat/storage/image-intake";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeContext, makeTask } from "../../test/generator-task.ts";
import { createQueues, json, type Queues } from "../../test/model-queues.ts";
import { replicateRoute } from "../../test/model-replicate.ts";
import { type ModelServer, type Route, startModelServer } from "../../test/model-server.ts";
import { createPhotoFetcher } from "../fetch-photo.ts";
import { checkUsage } from "./check-usage.ts";
import type { Progress } from "./generator.ts";
import { createReplicateGenerator } from "./replicate.ts";

const pace = { pollMs: 5, mostPollMs: 20, askAgainMs: 50 };
const costs = { "*": { second_micros: 1_400, most_micros: 90_000 } };
let queues: Queues;
let server: ModelServer;
/** What the upload of a file is answered with. */
let uploaded: { status: number; body: object };

const filesRoute: Route = ({ path, key }) => {
  if (path !== "/replicate/v1/files") return undefined;
  const good = () => json(uploaded.body, uploaded.status);
  const each = { errorInside: good, refused: good, filtered: good, broken: good };
  return { ...each, key, text: anyOrder, isPaid: true, isSpared: true, good, error: good };
};
let anyOrder = "";

beforeAll(async () => {
  queues = createQueues([replicateRoute]);
  server = await startModelServer({ routes: [...queues.routes, filesRoute] });
  anyOrder = server.books.order().prompt;
});
afterAll(() => server.close());

const run = (
  { input, model, text = false }: { input: string | Buffer; model: string; text?: boolean },
  context = makeContext(),
) => {
  const deps = {
    fetchPhoto: createPhotoFetcher({ allowHosts: [new URL(server.url).host] }),
    imageIntake: createImageIntake(),
  };
  const endpoint = { name: "replicate", url: `${server.url}/replicate/v1`, key: "r-secret", costs };
  const task = makeTask({
    input: Buffer.isBuffer(input)
      ? { type: "photo", photo: input }
      : { type: "text", prompt: input },
    kind: text ? "text" : "image",
  });
  const params = { model, prompt_input: "instruction", photo_input: "input_image" };
  const prompt = Buffer.isBuffer(input) ? anyOrder : "{input}";
  const style = { ...task.style, params, prompt };
  return createReplicateGenerator(endpoint, deps, pace).run({ ...task, style }, context);
};

it("costs the time that the model took; nonsense about it is not believed", async () => {
  const usages = [];
  for (const fault of [undefined, "absurd-usage", "negative-usage"] as const) {
    const { prompt } = server.books.order(fault ? { fault, times: 99 } : {});
    usages.push(await run({ input: prompt, model: "test/status" }));
  }
  const checked = usages.map((one) => {
    const said = one.status === "completed" ? (one.usage ?? {}) : {};
    return checkUsage(said, { cost: costs["*"], kind: "image", most: 90_000 });
  });
  expect(checked).toEqual([
    { usage: { inputTokens: 12, outputTokens: 7, providerCostMicros: 2_100 }, ignored: [] },
    { usage: {}, ignored: expect.arrayContaining(["inputTokens", "providerCostMicros"]) },
    { usage: {}, ignored: ["inputTokens", "outputTokens", "providerCostMicros"] },
  ]);
});

it("that refused after it had begun is paid for by us, and says why", async () => {
  const { prompt } = server.books.order({ fault: "filtered" });
  const outcome = await run({ input: prompt, model: "test/status" });
  expect(outcome).toMatchObject({
    code: "moderation_refused",
    retryable: false,
    failover: false,
    usage: { providerCostMicros: 2_100 },
  });
});

it("tells how far it is, and the text so far", async () => {
  const seen: Progress[] = [];
  const report = (progress: Progress) => void seen.push(progress);
  const { prompt } = server.books.order();
  const outcome = await run(
    { input: prompt, model: "test/status-text", text: true },
    makeContext({ report }),
  );
  expect(outcome).toMatchObject({ output: { kind: "text", text: "A sturdy pot." } });
  expect(seen).toEqual([{ fraction: 0.4, text: "A sturdy " }]);
});

it("gets a large photo uploaded before anything is marked", async () => {
  const photo = randomBytes(300_000);
  const get = "https://api.replicate.com/v1/files/f1";
  uploaded = { status: 201, body: { id: "f1", urls: { get } } };
  const saved: string[] = [];
  await run({ input: photo, model: "test/submit" }, makeContext({ saved }));
  const posts = server.requests.slice(-8).filter(({ text }) => text.includes("input_image"));
  expect(JSON.parse(posts.at(-1)?.text ?? "").input).toEqual({
    input_image: get,
    instruction: anyOrder,
  });

  const count = queues.works().length;
  for (const [status, code, retryable] of [
    [500, "provider_failed", true],
    [429, "provider_failed", true],
    [422, "provider_refused", false],
  ] as const) {
    uploaded = { status, body: { detail: "no" } };
    const marks: string[] = [];
    const outcome = await run(
      { input: photo, model: "test/submit" },
      makeContext({ saved: marks }),
    );
    expect(outcome).toMatchObject({ code, retryable });
    expect(marks).toEqual([]);
  }
  expect(queues.works()).toHaveLength(count);
});
