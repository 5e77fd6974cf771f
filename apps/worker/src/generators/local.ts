import { setTimeout as delay, setImmediate as giveWay } from "node:timers/promises";
import sharp from "sharp";
import { drawPicture } from "./draw-picture.ts";
import { drawPlotPlan } from "./draw-plot-plan.ts";
import type { Steps } from "./frame.ts";
import type { Context, Generator, Outcome, Task } from "./generator.ts";
import { findLook, type Look } from "./looks.ts";
import { readParams, renderPrompt } from "./render-prompt.ts";
import { restylePhoto } from "./restyle-photo.ts";
import { countTokens, writeText } from "./write-text.ts";

const slowMs = 3000;
const askAgainInMs = 1000;

/**
 * Makes everything on this machine, without a network: restyles a photo's own pixels, draws a plot
 * plan from an address or a picture from a prompt, writes a text by templates. The same task gives
 * the same output. With `simulate`, in test mode only, `params.simulate` plays a provider's faults.
 */
export function createLocalGenerator(options: { simulate?: boolean } = {}): Generator {
  // Settings of the whole process, as in the intake: one thread a picture, nothing kept.
  sharp.concurrency(1);
  sharp.cache(false);
  return {
    name: "local",
    async run(task, context) {
      const fault = options.simulate ? await simulate(task, context) : undefined;
      return fault ?? (await make(task, context));
    },
  };
}

async function make(task: Task, context: Context): Promise<Outcome> {
  const { signal } = context;
  signal.throwIfAborted();
  if (task.style.kind === "text") return await write(task, context);
  const look = findLook(task.style.params.look);
  if (!look) return fail("style_unknown", "This style has no look that can be made here.");
  const report = (fraction: number) => context.report?.({ fraction });
  const output = await makePicture(task, look, { signal, report });
  if (!output) return fail("photo_unreadable", "The photo can't be decoded.");
  return { status: "completed", output };
}

async function makePicture({ input, label }: Task, look: Look, steps: Steps) {
  switch (input.type) {
    case "photo":
      return await restylePhoto({ photo: input.photo, look, label, steps });
    case "address":
      return await drawPlotPlan({ address: input.address, look, label });
    case "text":
      return await drawPicture({ prompt: input.prompt, look, label, steps });
  }
}

async function write(task: Task, context: Context): Promise<Outcome> {
  const { itemId, input, label, style } = task;
  if (input.type === "photo") return fail("input_unsupported", "This style writes from a prompt.");
  const prompt = input.type === "text" ? input.prompt : `home at ${input.address}`;
  const params = readParams(task);
  const text = writeText(style.params.look, { prompt, label, seed: itemId, params });
  if (text === undefined) {
    return fail("language_unsupported", "This style can't be written in this language here.");
  }
  await sayWords(text, context);
  const usage = { inputTokens: countTokens(renderPrompt(task)), outputTokens: countTokens(text) };
  return { status: "completed", output: { kind: "text", text }, usage };
}

/** Tells the text word by word, and lets others have a turn after each paragraph. */
async function sayWords(text: string, { report, signal }: Context): Promise<void> {
  if (!report) return;
  let said = "";
  for (const paragraph of text.split(/(?<=\n)(?=[^\n])/u)) {
    for (const word of paragraph.match(/\s*\S+\s*/gu) ?? []) {
      said += word;
      report({ text: said });
    }
    await giveWay();
    signal.throwIfAborted();
  }
}

function fail(code: string, message: string, retryable = false): Outcome {
  return { status: "failed", code, message, retryable };
}

/** Plays the fault that the task asks for; undefined when the task is to be done after all. */
async function simulate(task: Task, context: Context): Promise<Outcome | undefined> {
  const isFirst = task.attempt <= 1;
  switch (task.params.simulate) {
    case "error":
      return fail("simulated_error", "This failure was asked for.");
    case "flaky":
      return isFirst ? fail("simulated_error", "This failure was asked for.", true) : undefined;
    case "slow":
      await delay(slowMs, undefined, { signal: context.signal });
      return undefined;
    case "timeout":
      // Asked about a request it already has, it answers; it never takes a second one.
      if (context.requestId !== null) return undefined;
      await context.saveRequestId(`local-${task.itemId}`);
      return { status: "unknown", askAgainInMs };
    case "crash":
      if (!isFirst) return undefined;
      process.kill(process.pid, "SIGKILL");
      return await new Promise(() => {}); // the signal is on its way, nothing may happen meanwhile
    default:
      return undefined;
  }
}
