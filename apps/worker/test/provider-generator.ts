import { setTimeout as sleep } from "node:timers/promises";
import type { Context, Generator, Outcome, Task } from "../src/generators/generator.ts";

type Options = { url: string; pollMs?: number; callLimitMs?: number };
type State = { status: string; image?: string; error?: { code: string; retryable: boolean } };

/** No answer, or none that makes sense: it tells nothing about the work itself. */
class NoAnswer extends Error {}

/** Speaks to provider.ts as a generator for a vendor would: submit, save the id, ask until done. */
export function createProviderGenerator(options: Options): Generator {
  const { url, pollMs = 20, callLimitMs = 1_000 } = options;

  const call = async (path: string, init: RequestInit, signal: AbortSignal) => {
    const timeout = AbortSignal.timeout(callLimitMs);
    try {
      const limit = AbortSignal.any([signal, timeout]);
      const answer = await fetch(new URL(path, url), { ...init, signal: limit });
      if (!answer.ok) throw new NoAnswer(`status ${answer.status}`);
      return Buffer.from(await answer.arrayBuffer());
    } catch (error) {
      signal.throwIfAborted();
      // Naming the time-out down here keeps it alive: on Node 20 any() alone does not, and one that
      // was collected never fires (nodejs/node#57736).
      throw new NoAnswer(timeout.aborted ? "too late" : "no answer", { cause: error });
    }
  };
  const callJson = async <T>(path: string, init: RequestInit, signal: AbortSignal) => {
    const text = (await call(path, init, signal)).toString();
    if (!text.startsWith("{")) throw new NoAnswer("not JSON");
    return JSON.parse(text) as T;
  };

  const submit = async (task: Task, context: Context) => {
    const { id } = await callJson<{ id: string }>(
      "/submit",
      {
        method: "POST",
        headers: { "idempotency-key": context.idempotencyKey },
        body: JSON.stringify({ item: task.itemId, wishes: task.params }),
      },
      context.signal,
    );
    await context.saveRequestId(id);
    return id;
  };

  const waitForEnd = async (id: string, signal: AbortSignal): Promise<Outcome> => {
    for (;;) {
      const state = await callJson<State>(`/requests/${id}`, {}, signal);
      if (state.status === "succeeded") {
        const bytes = await call(state.image ?? "", {}, signal);
        const size = { width: 64, height: 64 };
        return {
          status: "completed",
          output: { kind: "image", bytes, type: "image/jpeg", ...size },
        };
      }
      if (state.status !== "running") {
        const { code, retryable } = state.error ?? { code: state.status, retryable: false };
        return { status: "failed", code, message: "The model refused.", retryable };
      }
      await sleep(pollMs, undefined, { signal });
    }
  };

  return {
    name: "provider",
    async run(task, context) {
      let id = context.requestId;
      try {
        id ??= await submit(task, context);
        return await waitForEnd(id, context.signal);
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        if (id !== null) return { status: "unknown", askAgainInMs: 50 };
        const message = "The model did not answer.";
        return { status: "failed", code: "provider_timeout", message, retryable: true };
      }
    },
  };
}
