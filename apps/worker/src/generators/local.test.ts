import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { makeContext, makePhoto, makeTask, toPixels } from "../../test/generator-task.ts";
import type { Outcome, Picture, Progress, Task } from "./generator.ts";
import { createLocalGenerator } from "./local.ts";
import { type LookName, lookNames } from "./looks.ts";

const local = createLocalGenerator();
const simulating = createLocalGenerator({ simulate: true });
let photo: Buffer;
const looks = new Map<LookName, Picture>();
beforeAll(async () => {
  photo = await makePhoto();
  for (const look of lookNames) looks.set(look, await pictureOf(photoTask(look)));
});

const photoTask = (look: LookName, label: string | null = null) =>
  makeTask({ look, label, input: { type: "photo", photo } });

async function pictureOf(task: Task): Promise<Picture> {
  return expectPicture(await local.run(task, makeContext()));
}

function expectPicture(outcome: Outcome): Picture {
  if (outcome.status !== "completed" || outcome.output.kind !== "image") {
    throw new Error(`No picture: ${JSON.stringify(outcome).slice(0, 200)}`);
  }
  return outcome.output;
}

async function textOf(task: Task): Promise<string> {
  const outcome = await local.run(task, makeContext());
  if (outcome.status !== "completed" || outcome.output.kind !== "text") throw new Error("No text.");
  return outcome.output.text;
}

/** What was decoded once is held against many others. */
const decoded = new WeakMap<Buffer, Promise<Buffer>>();
function pixelsOf(picture: Buffer): Promise<Buffer> {
  const pixels = decoded.get(picture) ?? toPixels(picture);
  decoded.set(picture, pixels);
  return pixels;
}

/** Mean difference of two pictures at the same small size, 0 to 255 a channel. */
async function distance(one: Buffer, other: Buffer): Promise<number> {
  const [a, b] = await Promise.all([pixelsOf(one), pixelsOf(other)]);
  return a.reduce((sum, value, at) => sum + Math.abs(value - b[at]!), 0) / a.length;
}

describe("what is told while it works", () => {
  test.each([
    ["a photo", () => photoTask("cottage_garden")],
    [
      "a prompt",
      () =>
        makeTask({ look: "desert_xeriscape", input: { type: "text", prompt: "a pool at night" } }),
    ],
  ])("of a picture from %s is which part of it is done", async (_, make) => {
    const told: Progress[] = [];
    await local.run(make(), makeContext({ report: (one) => void told.push(one) }));
    const fractions = told.map(({ fraction }) => fraction ?? Number.NaN);
    expect(fractions.length).toBeGreaterThan(3);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    expect(fractions.every((one) => one > 0 && one < 1)).toBe(true);
  });

  test("of a text is the text, word by word", async () => {
    const told: string[] = [];
    const task = makeTask({
      look: "letter",
      kind: "text",
      input: { type: "text", prompt: "thank you all so much" },
    });
    const outcome = await local.run(
      task,
      makeContext({ report: ({ text = "" }) => void told.push(text) }),
    );
    const { text } = (outcome as { output: { text: string } }).output;
    expect(told.at(-1)).toBe(text);
    expect(told.length).toBe(text.match(/\S+/g)?.length);
    for (const [at, said] of told.entries()) expect(said.startsWith(told[at - 1] ?? "")).toBe(true);
  });
});

describe("looks on a photo", () => {
  test("each differs visibly from the photo and from every other look", async () => {
    const all = [photo, ...[...looks.values()].map(({ bytes }) => bytes)];
    const names = ["the photo", ...lookNames];
    for (const [i, one] of all.entries()) {
      for (const [j, other] of all.entries()) {
        if (j <= i) continue;
        const apart = await distance(one, other);
        expect(apart, `${names[i]} and ${names[j]}`).toBeGreaterThan(24);
      }
    }
  });

  test.each(lookNames)("%s is a WebP of the size it says, within 1536 pixels", async (look) => {
    const { bytes, type, width, height } = looks.get(look)!;
    const found = await sharp(bytes).metadata();
    expect([found.format, found.width, found.height]).toEqual(["webp", width, height]);
    expect(type).toBe("image/webp");
    expect(Math.max(width, height)).toBeLessThanOrEqual(1536);
    expect(Math.min(width, height)).toBeGreaterThan(300);
  });

  test.each(lookNames)("%s keeps what is in the photo", async (look) => {
    // Another photo in the same look is another picture: nothing is made up of thin air.
    const input = { type: "photo", photo: await sharp(photo).flop().toBuffer() } as const;
    const other = await pictureOf(makeTask({ look, input }));
    expect(await distance(looks.get(look)!.bytes, other.bytes)).toBeGreaterThan(10);
  });

  test("the same task gives the same bytes, whatever the attempt", async () => {
    for (const look of ["vintage_film", "cottage_garden"] as const) {
      const again = await pictureOf({ ...photoTask(look), attempt: 3 });
      expect(again.bytes.equals(looks.get(look)!.bytes)).toBe(true);
    }
  });

  test("areas of a property get different pictures", async () => {
    const labels = [null, "front yard", "back yard", "left side", "patio"];
    const pictures = await Promise.all(
      labels.map((label) => pictureOf(photoTask("cottage_garden", label))),
    );
    for (const [i, one] of pictures.entries()) {
      for (const other of pictures.slice(i + 1)) {
        expect(await distance(one.bytes, other.bytes)).toBeGreaterThan(4);
      }
    }
  });

  test("odd photos are restyled as well", async () => {
    const shapes = [
      sharp({ create: { width: 1, height: 1, channels: 3, background: "#123456" } }).png(),
      sharp({ create: { width: 3000, height: 12, channels: 3, background: "#8a4" } }).webp(),
      sharp({ create: { width: 90, height: 120, channels: 4, background: "#0f08" } }).webp(),
      sharp(photo).greyscale().png(),
    ];
    for (const shape of shapes) {
      const input = { type: "photo", photo: await shape.toBuffer() } as const;
      for (const look of lookNames) await pictureOf(makeTask({ look, label: "front yard", input }));
    }
  });

  test("a large photo is made smaller", async () => {
    const input = {
      type: "photo",
      photo: await sharp(photo).resize(2048).webp().toBuffer(),
    } as const;
    const { width, height } = await pictureOf(makeTask({ look: "vintage_film", input }));
    expect(Math.max(width, height)).toBe(1536);
  });

  test("a broken photo and an unknown look are final failures", async () => {
    const input = { type: "photo", photo: photo.subarray(0, 900) } as const;
    const broken = await local.run(makeTask({ look: "pop_editorial", input }), makeContext());
    expect(broken).toMatchObject({ status: "failed", code: "photo_unreadable", retryable: false });
    for (const look of ["toString", "nothing", undefined, 7]) {
      const task = { ...photoTask("pop_editorial") };
      task.style = { ...task.style, params: { look } };
      expect(await local.run(task, makeContext())).toMatchObject({
        status: "failed",
        code: "style_unknown",
        retryable: false,
      });
    }
  });
});

describe("drawings", () => {
  const prompt = "a quiet garden with a pool, portrait with a hat";

  const drawn = new Map<LookName, Picture>();
  const draw = (look: LookName, prompt: string, label: string | null = null) =>
    pictureOf(makeTask({ look, label, input: { type: "text", prompt } }));
  beforeAll(async () => {
    for (const look of lookNames) drawn.set(look, await draw(look, prompt));
  });

  test.each(["cottage_garden", "pop_editorial"] as const)(
    "%s draws the same for the same prompt and something else for another",
    async (look) => {
      const first = drawn.get(look)!.bytes;
      expect((await draw(look, prompt)).bytes.equals(first)).toBe(true);
      const other = await draw(look, "mountains at night, long hair");
      expect(await distance(first, other.bytes)).toBeGreaterThan(4);
    },
  );

  test("the plan of an address is the same each time, and a label shades an area", async () => {
    const look = "desert_xeriscape";
    const plan = (address: string, label: string | null = null) =>
      pictureOf(makeTask({ look, label, input: { type: "address", address } }));
    const one = await plan("12 Elm Street, Springfield");
    const same = await plan("  12 elm street,  SPRINGFIELD ");
    expect(same.bytes.equals(one.bytes)).toBe(true);
    expect(await distance(one.bytes, (await plan("8 Rue des Fleurs")).bytes)).toBeGreaterThan(1);
    const front = await plan("12 Elm Street, Springfield", "front yard");
    expect(await distance(one.bytes, front.bytes)).toBeGreaterThan(1);
  });

  test("looks draw in colours of their own", async () => {
    const pictures = [...drawn.values()];
    for (const [i, one] of pictures.entries()) {
      for (const other of pictures.slice(i + 1)) {
        expect(await distance(one.bytes, other.bytes)).toBeGreaterThan(12);
      }
    }
  });

  test("a prompt is never read as markup", async () => {
    const markup = '</svg><image href="file:///etc/passwd"/> & "<![CDATA[';
    for (const look of ["desert_xeriscape", "studio_noir"] as const) {
      await draw(look, markup, "<&\0");
      const plan = makeTask({ look, label: '"><', input: { type: "address", address: markup } });
      await pictureOf(plan);
    }
  });
});

describe("texts", () => {
  const prompt = "handmade ceramic mug, glazed in deep blue, dishwasher safe";
  const textTask = (itemId: string, label: string | null = null) =>
    makeTask({ kind: "text", itemId, label, input: { type: "text", prompt } });

  test("a description names the product and its features, the same each time", async () => {
    const text = await textOf(textTask("item-1"));
    expect(text).toMatch(/handmade ceramic mug/i);
    expect(text).toContain("- Glazed in deep blue");
    expect(text).toContain("- Dishwasher safe");
    expect(text.length).toBeLessThan(1500);
    expect(await textOf(textTask("item-1"))).toBe(text);
  });

  test("items of a batch get different texts, and a label is the product's name", async () => {
    const ids = Array.from({ length: 12 }, (_, index) => `item-${index}`);
    const texts = await Promise.all(ids.map((id) => textOf(textTask(id))));
    expect(new Set(texts).size).toBeGreaterThan(8);
    expect(await textOf(textTask("item-1", "The Morning Mug"))).toContain("Morning Mug");
  });

  test("whatever the prompt is, there is a text of a sensible length", async () => {
    for (const odd of [
      "",
      " , ;.",
      "x".repeat(5000),
      "and with and",
      "🦀".repeat(300),
      "a\0b\nc",
    ]) {
      const task = makeTask({ kind: "text", input: { type: "text", prompt: odd } });
      const text = await textOf(task);
      expect(text.length).toBeGreaterThan(100);
      expect(text.length).toBeLessThan(2500);
    }
  });

  test("a photo is nothing to write from", async () => {
    const task = makeTask({ kind: "text", input: { type: "photo", photo } });
    expect(await local.run(task, makeContext())).toMatchObject({
      status: "failed",
      code: "input_unsupported",
      retryable: false,
    });
  });
});

describe("simulated faults", () => {
  const faulty = (simulate: string, attempt = 1) =>
    makeTask({
      look: "studio_noir",
      attempt,
      params: { simulate },
      input: { type: "photo", photo },
    });

  test.each(["error", "flaky", "slow", "timeout", "crash", "nonsense"])(
    "%s is ignored outside of test mode",
    async (fault) => {
      expectPicture(await local.run(faulty(fault), makeContext()));
    },
  );

  test("error is final", async () => {
    expect(await simulating.run(faulty("error", 4), makeContext())).toMatchObject({
      status: "failed",
      code: "simulated_error",
      retryable: false,
    });
  });

  test("flaky fails once and then works", async () => {
    expect(await simulating.run(faulty("flaky"), makeContext())).toMatchObject({
      status: "failed",
      retryable: true,
    });
    expectPicture(await simulating.run(faulty("flaky", 2), makeContext()));
  });

  test("slow can be stopped", async () => {
    const stop = new AbortController();
    const running = simulating.run(faulty("slow"), makeContext({ signal: stop.signal }));
    stop.abort(new Error("canceled"));
    await expect(running).rejects.toMatchObject({ name: "AbortError" });
  });

  test("a timeout leaves a request behind and answers when asked about it", async () => {
    const saved: string[] = [];
    const task = faulty("timeout");
    const first = await simulating.run(task, makeContext({ saved }));
    expect(first).toEqual({ status: "unknown", askAgainInMs: expect.any(Number) });
    expect(saved).toEqual([`local-${task.itemId}`]);
    const second = makeContext({ saved, requestId: saved[0]! });
    expectPicture(await simulating.run({ ...task, attempt: 2 }, second));
    expect(saved).toHaveLength(1);
  });

  test("a timeout whose request can't be saved is not waited for", async () => {
    const context = makeContext({ saveRequestId: () => Promise.reject(new Error("fenced")) });
    await expect(simulating.run(faulty("timeout"), context)).rejects.toThrow("fenced");
  });

  test("crash kills the process the first time and works the second time", async () => {
    const child = join(import.meta.dirname, "../../test/run-local.ts");
    const crash = promisify(execFile)(process.execPath, ["--import", "tsx", child, "crash"]);
    await expect(crash).rejects.toMatchObject({ signal: "SIGKILL" });
    expectPicture(await simulating.run(faulty("crash", 2), makeContext()));
  });
});

test("work that is stopped ends with the reason of its signal", async () => {
  const stop = new AbortController();
  stop.abort(new Error("lease lost"));
  for (const look of lookNames) {
    const context = makeContext({ signal: stop.signal });
    await expect(local.run(photoTask(look), context)).rejects.toThrow("lease lost");
  }
});
