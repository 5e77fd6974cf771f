import type { Context, Generator, Outcome, Task } from "./generator.ts";
import { type ModelParams, readModelParams } from "./model-params.ts";
import { failWith } from "./provider-failures.ts";

/** What a model is asked for: the item, and the params that its style has for the provider. */
export type Asking = { task: Task; context: Context; params: ModelParams };

/** A generator of this name that runs what has params a model understands, and refuses the rest. */
export function createModelGenerator(
  name: string,
  run: (asking: Asking) => Promise<Outcome>,
): Generator {
  // The SDK's warnings go to the console.
  globalThis.AI_SDK_LOG_WARNINGS = false;
  return {
    name,
    async run(task, context) {
      const params = readModelParams(task);
      return params ? await run({ task, context, params }) : failWith("provider_refused");
    },
  };
}
