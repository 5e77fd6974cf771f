import { randomUUID } from "node:crypto";
import type { Asked, Route } from "./model-server.ts";
import type { Reply, Work } from "./play-order.ts";

type Kept = { text: string; isDrawing: boolean; key: string | null; polls: number };

const json = (body: unknown, status = 200): Reply => ({ status, body: JSON.stringify(body) });
const usages = {
  normal: { input_tokens: 12, output_tokens: 7, cost: 0.04 },
  absurd: { input_tokens: 1e300, output_tokens: "many" },
  negative: { input_tokens: -5, output_tokens: 2.5 },
};

/**
 * OpenAI's /responses in the background: takes work, names it, and is asked about it. Faults hit
 * the submission, or the questions where the model's name says `polled`.
 */
export function createResponses(): Route {
  const kept = new Map<string, Kept>();
  return (asked, incoming) => {
    const [, id, verb] = /\/responses(?:\/(\w+)(?:\/(\w+))?)?(?:\?|$)/.exec(asked.path) ?? [""];
    if (!/\/responses(?:\/|\?|$)/.test(asked.path)) return undefined;
    if (incoming.method === "POST" && id === undefined) return submit(kept, asked);
    const one = kept.get(id ?? "");
    if (!one) return undefined;
    return verb === "cancel" ? { ...answer(one, asked), isSpared: true } : answer(one, asked);
  };
}

function submit(kept: Map<string, Kept>, { text, key }: Asked): Work {
  const body = JSON.parse(text) as { model: string; tools?: unknown[]; background?: boolean };
  if (body.background !== true) throw new Error("not in the background");
  const known = [...kept].find(([, one]) => key !== null && one.key === key);
  const id = known?.[0] ?? `resp_${randomUUID().replaceAll("-", "")}`;
  const take = () => {
    if (!known) kept.set(id, { text, isDrawing: body.tools !== undefined, key, polls: 0 });
    return json({ id, object: "response", status: "queued" });
  };
  const failed = (code: string) => json({ error: { message: "no", type: "x", code } }, 400);
  return {
    key,
    isSpared: body.model.includes("polled"),
    good: take,
    error: (status) => json({ error: { message: "no", type: "server_error" } }, status),
    errorInside: () => json({ error: { message: "broken", code: "server_error" } }),
    refused: () => failed("moderation_blocked"),
    filtered: () => failed("content_policy_violation"),
    broken: () => json({ id: 7 }),
  };
}

function answer(one: Kept, { picture }: Asked): Work {
  const ended = (status: string, more: object) => json({ id: "resp", status, ...more });
  const output = (bytes: Buffer, text: string) => [
    one.isDrawing
      ? { type: "image_generation_call", status: "completed", result: bytes.toString("base64") }
      : { type: "message", content: [{ type: "output_text", text }] },
  ];
  const failed = (code: string) => ended("failed", { error: { code, message: "no" } });
  const good = (usage: keyof typeof usages) => {
    one.polls += 1;
    if (one.polls <= 1) return ended("in_progress", {});
    const made = output(picture, "A sturdy pot.");
    return ended("completed", { output: made, usage: usages[usage] });
  };
  return {
    key: one.key,
    text: one.text,
    isPaid: true,
    isSpared: !/"model":"[^"]*polled/.test(one.text),
    good,
    error: (status) => json({ error: { message: "no" } }, status),
    errorInside: () => failed("server_error"),
    refused: () => failed("image_content_policy_violation"),
    filtered: () => ended("incomplete", { incomplete_details: { reason: "content_filter" } }),
    broken: () => ended("completed", { output: output(Buffer.from("no"), " \n ") }),
  };
}
