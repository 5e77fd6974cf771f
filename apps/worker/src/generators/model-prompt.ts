import type { ModelMessage } from "ai";
import type { Task } from "./generator.ts";
import { renderPrompt } from "./render-prompt.ts";

/** The prompt, and the photo beside it where there is one. */
export function toMessages(task: Task): ModelMessage[] {
  const text = { type: "text", text: renderPrompt(task) } as const;
  if (task.input.type !== "photo") return [{ role: "user", content: [text] }];
  return [{ role: "user", content: [text, { type: "image", image: task.input.photo }] }];
}

/** The prompt of a picture; with a photo it is an order to change that. */
export function toImagePrompt(task: Task) {
  const text = renderPrompt(task);
  return task.input.type === "photo" ? { text, images: [task.input.photo] } : text;
}
