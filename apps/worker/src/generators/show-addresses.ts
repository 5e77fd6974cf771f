import type { Log } from "../log.ts";
import type { AddressViews } from "./address-views.ts";
import { type Generator, type Outcome, sentMark, type Task } from "./generator.ts";
import { failWith } from "./provider-failures.ts";

const askAgainInMs = 5_000;

/**
 * A provider's generator that gets a photo of the address where a style draws from one; the address
 * stays in the prompt. Work with an id needs none, and each would be paid for.
 */
export function showAddresses(generator: Generator, views: AddressViews, log: Log): Generator {
  return {
    name: generator.name,
    async run(task, context) {
      const { input, style } = task;
      const maySubmit = context.requestId === null || context.requestId === sentMark;
      const isNeeded = style.kind === "image" && maySubmit;
      if (input.type !== "address" || !isNeeded) return await generator.run(task, context);
      const view = await views(input.address, context.signal);
      if ("status" in view) {
        const { code, retryable } = view;
        log.warn({ item: task.itemId, code, retryable }, "there is no picture of an address");
        return context.requestId === null ? view : keepMark(retryable);
      }
      const shown: Task["input"] = { type: "photo", photo: view.photo, address: input.address };
      return await generator.run({ ...task, input: shown }, context);
    },
  };
}

/**
 * Without its photo, work that may have been submitted can't be submitted again. A failure that may
 * pass would forget that it was, and have the provider paid twice.
 */
function keepMark(mayPass: boolean): Outcome {
  return mayPass ? { status: "unknown", askAgainInMs } : failWith("outcome_unknown");
}
