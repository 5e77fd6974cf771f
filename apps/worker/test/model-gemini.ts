import type { Asked } from "./model-server.ts";
import type { Reply, Work } from "./play-order.ts";

const words = ["A sturdy ", "pot for ", "the windowsill."];
const usages = {
  normal: { promptTokenCount: 12, candidatesTokenCount: 7, thoughtsTokenCount: 3 },
  absurd: { promptTokenCount: 1e300, candidatesTokenCount: 1e19 },
  negative: { promptTokenCount: -4, candidatesTokenCount: 2.5 },
};

const json = (body: unknown, status = 200): Reply => ({ status, body: JSON.stringify(body) });
const events = (...all: unknown[]): Reply => ({
  type: "text/event-stream",
  body: all.map((one) => `data: ${JSON.stringify(one)}\r\n\r\n`).join(""),
});
const statuses: Record<number, string> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  429: "RESOURCE_EXHAUSTED",
  500: "INTERNAL",
  503: "UNAVAILABLE",
};
const error = (code: number) =>
  json({ error: { code, message: "no", status: statuses[code] ?? "UNKNOWN" } }, code);
const blocked = { promptFeedback: { blockReason: "PROHIBITED_CONTENT" } };

/** :generateContent, :streamGenerateContent and Imagen's :predict. */
export function geminiWork(asked: Asked): Work | undefined {
  if (/:streamGenerateContent/.test(asked.path)) return write(asked);
  if (/:generateContent/.test(asked.path)) return draw(asked);
  return /:predict/.test(asked.path) ? predict(asked) : undefined;
}

const candidate = (parts: object[], finishReason: string | undefined, usageMetadata?: object) => ({
  candidates: [{ content: { role: "model", parts }, ...(finishReason && { finishReason }) }],
  ...(usageMetadata && { usageMetadata }),
});

function write({ key }: Asked): Work {
  const stream = (texts: string[], finish: string, usage: object) =>
    events(...texts.map((text) => candidate([{ text }], undefined)), candidate([], finish, usage));
  return {
    key,
    error,
    errorInside: () => events({ error: { code: 500, message: "broken", status: "INTERNAL" } }),
    refused: () => events({ ...blocked, usageMetadata: { promptTokenCount: 12 } }),
    good: (usage) => stream(words, "STOP", usages[usage]),
    filtered: () => stream(["A st"], "SAFETY", usages.normal),
    broken: () => stream([" \n "], "STOP", usages.normal),
  };
}

function draw({ key, picture }: Asked): Work {
  const inline = (bytes: Buffer) => ({
    inlineData: { mimeType: "image/png", data: bytes.toString("base64") },
  });
  return {
    key,
    error,
    errorInside: () => json({ error: { code: 500, message: "broken", status: "INTERNAL" } }),
    refused: () => json(blocked),
    good: (usage) => json(candidate([inline(picture)], "STOP", usages[usage])),
    filtered: () => json(candidate([], "IMAGE_SAFETY", usages.normal)),
    broken: () => json(candidate([inline(Buffer.from("no"))], "STOP", usages.normal)),
  };
}

function predict({ key, picture }: Asked): Work {
  const predictions = (bytes: Buffer) =>
    json({
      predictions: [{ mimeType: "image/png", bytesBase64Encoded: bytes.toString("base64") }],
    });
  return {
    key,
    error,
    errorInside: () => json({ error: { code: 500, message: "broken", status: "INTERNAL" } }),
    refused: () => json({ predictions: [{ raiFilteredReason: "Unable to show it." }] }),
    good: () => predictions(picture),
    filtered: () => json({ predictions: [{ raiFilteredReason: "Unable to show it." }] }),
    broken: () => predictions(Buffer.from("no")),
  };
}
