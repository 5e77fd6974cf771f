import { randomUUID } from "node:crypto";
import sharp from "sharp";
import type { Context, Task } from "../src/generators/generator.ts";

type TaskOptions = Partial<Omit<Task, "style">> & {
  input: Task["input"];
  look?: string;
  kind?: "image" | "text";
};

/** A task of the local generator, first attempt, without a label unless told otherwise. */
export function makeTask({ look, kind = "image", ...options }: TaskOptions): Task {
  return {
    accountId: randomUUID(),
    generationId: randomUUID(),
    itemId: randomUUID(),
    attempt: 1,
    style: {
      id: look ?? "product_description",
      version: 1,
      kind,
      generator: "local",
      prompt: "",
      params: { look },
    },
    label: null,
    params: {},
    ...options,
  };
}

/** A context without a stored request; saved request ids end up in `saved`. */
export function makeContext(options: Partial<Context> & { saved?: string[] } = {}): Context {
  const { saved = [], ...given } = options;
  return {
    signal: new AbortController().signal,
    requestId: null,
    saveRequestId: async (id) => void saved.push(id),
    idempotencyKey: randomUUID(),
    deadline: new Date(Date.now() + 60_000),
    ...given,
  };
}

/** A scene with what photos have: sky, grass, a house, a figure, texture and soft light. */
export async function makePhoto(): Promise<Buffer> {
  const [width, height] = [600, 426];
  const scene = `<svg width="${width}" height="${height}" viewBox="0 0 900 639"><defs>
    <linearGradient id="sky" x2="0" y2="1"><stop stop-color="#5f93d6"/>
      <stop offset="1" stop-color="#dbe8f2"/></linearGradient></defs>
    <rect width="900" height="640" fill="url(#sky)"/>
    <rect y="330" width="900" height="310" fill="#5c8a3c"/>
    <rect x="120" y="200" width="330" height="190" fill="#d8c9b0"/>
    <path d="M90 210L285 90L480 210Z" fill="#8c4a35"/>
    <path d="M620 640L560 330H640L820 640Z" fill="#b8a68c"/>
    <circle cx="730" cy="250" r="44" fill="#e0b090"/>
    <path d="M650 520Q730 230 810 520Z" fill="#b23a48"/>
    <circle cx="80" cy="420" r="70" fill="#2f5a28"/></svg>`;
  const noise = { type: "gaussian", mean: 128, sigma: 26 } as const;
  const grain = await sharp({
    create: { width, height, channels: 3, background: "#808080", noise },
  })
    .png()
    .toBuffer();
  return await sharp(Buffer.from(scene))
    .composite([{ input: grain, blend: "soft-light" }])
    .removeAlpha()
    .jpeg({ quality: 92 })
    .toBuffer();
}

/** The picture's pixels at a small fixed size, to compare pictures of different sizes. */
export async function toPixels(bytes: Buffer): Promise<Buffer> {
  return await sharp(bytes)
    .removeAlpha()
    .resize(160, 120, { fit: "fill" })
    .toColourspace("srgb")
    .raw()
    .toBuffer();
}
