import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createImageIntake } from "@ducat/storage/image-intake";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeContext, makeTask } from "../../test/generator-task.ts";
import { createAddressViews } from "./address-views.ts";
import { type Generator, sentMark, type Task } from "./generator.ts";
import { renderPrompt } from "./render-prompt.ts";
import { showAddresses } from "./show-addresses.ts";

const key = "maps-secret-key";
const address = "1 Garden Lane & Sons, Springfield";
type Answer = { status?: number; headers?: Record<string, string>; body: string | Buffer };

/** What each path is answered with; what is not named hangs up. */
let answers: Record<string, Answer>;
let asked: URL[];
let pictures: Record<"street" | "above", Buffer>;
const server = createServer((incoming, answer: ServerResponse) => {
  const url = new URL(incoming.url ?? "", "http://maps.example");
  asked.push(url);
  const found = answers[url.pathname.replace("/maps/api/", "")];
  if (!found) return void answer.destroy();
  answer.writeHead(found.status ?? 200, found.headers).end(found.body);
});

beforeAll(async () => {
  const draw = (background: string, width: number) =>
    sharp({ create: { width, height: 20, channels: 3, background } })
      .jpeg()
      .toBuffer();
  pictures = { street: await draw("#808080", 30), above: await draw("#00ff00", 40) };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
beforeEach(() => {
  asked = [];
  answers = { streetview: { body: pictures.street }, staticmap: { body: pictures.above } };
});
afterAll(() => server.close());

const metadata = (status: string, http = 200) => ({
  status: http,
  body: JSON.stringify({ status, error_message: `${key} is wrong` }),
});
const view = () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const views = createAddressViews({ key, url, imageIntake: createImageIntake() });
  return views(address, new AbortController().signal);
};
const widthOf = async (found: Awaited<ReturnType<typeof view>>) =>
  "photo" in found ? (await sharp(found.photo).metadata()).width : found.code;
const paths = () => asked.map(({ pathname }) => pathname.replace("/maps/api/", ""));

describe("a picture of an address", () => {
  it("is taken from the street, when there is one, which is asked for free", async () => {
    answers["streetview/metadata"] = metadata("OK");
    expect(await widthOf(await view())).toBe(30);
    expect(paths()).toEqual(["streetview/metadata", "streetview"]);
    expect(asked.map(({ searchParams }) => searchParams.get("location"))).toEqual([
      address,
      address,
    ]);
    expect(asked.every(({ searchParams }) => searchParams.get("key") === key)).toBe(true);
  });

  it("is taken from above, when there is none from the street or it is gone", async () => {
    answers["streetview/metadata"] = metadata("ZERO_RESULTS");
    expect(await widthOf(await view())).toBe(40);
    expect(paths()).toEqual(["streetview/metadata", "staticmap"]);
    answers["streetview/metadata"] = metadata("OK");
    answers.streetview = { status: 404, body: "" };
    expect(await widthOf(await view())).toBe(40);
  });

  it.each([
    ["NOT_FOUND", "address_not_found", false],
    ["INVALID_REQUEST", "address_not_found", false],
    ["OVER_QUERY_LIMIT", "address_unavailable", true],
    ["UNKNOWN_ERROR", "address_unavailable", true],
    ["REQUEST_DENIED", "address_unavailable", false],
    ["SOMETHING_ELSE", "address_unavailable", true],
  ])(
    "is not there after %s: %s, and nothing is said of our key",
    async (status, code, retryable) => {
      answers["streetview/metadata"] = metadata(status);
      const found = await view();
      expect(found).toMatchObject({ status: "failed", code, retryable });
      expect(found).not.toHaveProperty("failover");
      expect(JSON.stringify(found)).not.toContain(key);
      expect(paths()).toEqual(["streetview/metadata"]);
    },
  );

  it.each<[string, Answer | undefined, boolean]>([
    ["breaks off", undefined, true],
    ["is broken", { status: 500, body: "" }, true],
    ["has enough of us", { status: 429, body: "" }, true],
    ["refuses our key", { status: 403, body: "" }, false],
    ["leads elsewhere", { status: 302, headers: { location: "/stray" }, body: "" }, true],
    ["is a page", { headers: { "content-type": "text/html" }, body: "<h1>Maps</h1>" }, true],
  ])("is unavailable when Google %s", async (_, answer, retryable) => {
    for (const path of ["streetview/metadata", "streetview"]) {
      answers = { "streetview/metadata": metadata("OK"), streetview: { body: pictures.street } };
      if (answer) answers[path] = answer;
      else delete answers[path];
      expect(await view()).toMatchObject({ code: "address_unavailable", retryable });
    }
    expect(paths()).not.toContain("stray");
  });

  it("of another place is not taken for it", async () => {
    answers["streetview/metadata"] = metadata("ZERO_RESULTS");
    const headers = { "x-staticmap-api-warning": "Error geocoding: center" };
    answers.staticmap = { headers, body: pictures.above };
    expect(await view()).toMatchObject({ code: "address_not_found", retryable: false });
  });
});

describe("a model that draws from an address", () => {
  const lines: unknown[] = [];
  const write = (detail: object, message: string) => void lines.push({ ...detail, message });
  const log = { info: write, warn: write, error: write };
  const seen: Task[] = [];
  const model: Generator = {
    name: "model",
    async run(task) {
      seen.push(task);
      return { status: "unknown", askAgainInMs: 1 };
    },
  };
  const run = async (more: Partial<Task>, requestId: string | null = null) => {
    seen.length = 0;
    const shown = showAddresses(model, view, log);
    const task = { ...makeTask({ input: { type: "address", address } }), ...more };
    return await shown.run(task, makeContext({ requestId }));
  };

  it("gets a photo of it, with the address in the prompt", async () => {
    answers["streetview/metadata"] = metadata("OK");
    await run({});
    expect(seen[0]?.input).toMatchObject({ type: "photo", address });
    expect(seen[0] && renderPrompt(seen[0])).toContain(address);
    // It may have to be sent again, under the same key.
    await run({}, sentMark);
    expect(seen[0]?.input).toMatchObject({ type: "photo", address });
  });

  it("gets none for texts, for photos, or when the work is known", async () => {
    const text = makeTask({ input: { type: "address", address }, kind: "text" });
    await run(text);
    await run({ input: { type: "photo", photo: pictures.above } });
    await run({}, "an-id");
    expect(asked).toEqual([]);
  });

  it.each([
    ["UNKNOWN_ERROR", { status: "unknown" }],
    ["REQUEST_DENIED", { code: "outcome_unknown", retryable: false }],
  ])("keeps in mind that it may have been asked, when Google says %s", async (said, outcome) => {
    answers["streetview/metadata"] = metadata(said);
    // A failure that may pass would forget it, and the model be paid again.
    expect(await run({}, sentMark)).toMatchObject(outcome);
    expect(seen).toEqual([]);
  });

  it("is not asked when there is none, and the log names neither address nor key", async () => {
    answers["streetview/metadata"] = metadata("REQUEST_DENIED");
    expect(await run({})).toMatchObject({ code: "address_unavailable" });
    expect(seen).toEqual([]);
    expect(JSON.stringify(lines)).toContain("address_unavailable");
    expect(JSON.stringify(lines)).not.toMatch(/Garden Lane|maps-secret/);
  });
});
