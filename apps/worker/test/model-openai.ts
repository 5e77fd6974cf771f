import type { Asked } from "./model-server.ts";
import type { Reply, Work } from "./play-order.ts";

const words = ["A sturdy ", "pot for ", "the windowsill."];
const usages = {
  normal: { prompt_tokens: 12, completion_tokens: 7, total_tokens: 19, cost: 0.04 },
  absurd: { prompt_tokens: 1e300, completion_tokens: "many", total_tokens: 1e300, cost: 1e9 },
  negative: { prompt_tokens: -5, completion_tokens: 7.5, total_tokens: 2, cost: -3 },
};
const imageUsages = {
  normal: { input_tokens: 12, output_tokens: 1_056, total_tokens: 1_068 },
  absurd: { input_tokens: 1e300, output_tokens: null, total_tokens: "NaN" },
  negative: { input_tokens: -1, output_tokens: 2.5, total_tokens: 0 },
};

const json = (body: unknown, status = 200): Reply => ({ status, body: JSON.stringify(body) });
const events = (...all: unknown[]): Reply => ({
  type: "text/event-stream",
  body: `${all.map((one) => `data: ${JSON.stringify(one)}\n\n`).join("")}data: [DONE]\n\n`,
});

/** What OpenAI, and who speaks like it, says that a request is not done. */
const refusals = {
  error: (status: number) => json({ error: { message: "no", type: "api_error" } }, status),
  errorInside: () => json({ error: { message: "upstream is broken", code: 502 } }),
  refused: () =>
    json(
      {
        error: {
          message: "Your request was rejected by the safety system.",
          type: "image_generation_user_error",
          param: null,
          code: "moderation_blocked",
        },
      },
      400,
    ),
};

/** /chat/completions, whole and streamed, with pictures where they are asked for; /images. */
export function openAiWork(asked: Asked): Work | undefined {
  const path = asked.path.replace(/\?.*/, "");
  if (path.endsWith("/images/generations") || path.endsWith("/images/edits")) return draw(asked);
  if (!path.endsWith("/chat/completions")) return undefined;
  const body = JSON.parse(asked.text) as { stream?: boolean; modalities?: string[] };
  if (body.modalities?.includes("image")) return drawInChat(asked);
  return body.stream ? writeStreamed(asked) : write(asked);
}

function draw({ key, picture, text, url }: Asked): Work {
  const byUrl = text.includes("dall-e");
  const image = (bytes: Buffer) =>
    byUrl ? { url: `${url}/pictures/1.png` } : { b64_json: bytes.toString("base64") };
  return {
    ...refusals,
    key,
    good: (usage) => json({ created: 1, data: [image(picture)], usage: imageUsages[usage] }),
    filtered: () => json({ created: 1, data: [], error: { code: "content_policy_violation" } }),
    broken: () => json({ data: [{ b64_json: Buffer.from("no picture").toString("base64") }] }),
  };
}

function drawInChat({ key, picture }: Asked): Work {
  const chat = (bytes: Buffer | undefined, finish: string, usage: object) => {
    const url = `data:image/png;base64,${bytes?.toString("base64")}`;
    const images = bytes ? [{ type: "image_url", image_url: { url } }] : [];
    const message = { role: "assistant", content: "", images };
    return json({ id: "gen-1", choices: [{ index: 0, message, finish_reason: finish }], usage });
  };
  return {
    ...refusals,
    key,
    good: (usage) => chat(picture, "stop", usages[usage]),
    filtered: () => chat(undefined, "content_filter", usages.normal),
    broken: () => chat(Buffer.from("no picture"), "stop", usages.normal),
  };
}

function write({ key }: Asked): Work {
  const chat = (content: string, finish: string, usage: object) => {
    const message = { role: "assistant", content };
    return json({ id: "chat-1", choices: [{ index: 0, message, finish_reason: finish }], usage });
  };
  return {
    ...refusals,
    key,
    good: (usage) => chat(words.join(""), "stop", usages[usage]),
    filtered: () => chat("A st", "content_filter", usages.normal),
    broken: () => chat(" \n ", "stop", usages.normal),
  };
}

function writeStreamed({ key }: Asked): Work {
  const delta = (content: string) => ({ id: "c", choices: [{ index: 0, delta: { content } }] });
  const stream = (parts: string[], finish: string, usage: object) =>
    events(
      ...parts.map(delta),
      { id: "c", choices: [{ index: 0, delta: {}, finish_reason: finish }] },
      { id: "c", choices: [], usage },
    );
  return {
    ...refusals,
    key,
    errorInside: () => events(delta("A st"), { error: { message: "broken", code: 502 } }),
    good: (usage) => stream(words, "stop", usages[usage]),
    filtered: () => stream(["A st"], "content_filter", usages.normal),
    broken: () => stream([" \n "], "stop", usages.normal),
  };
}
