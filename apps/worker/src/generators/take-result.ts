import { PhotoUnreachable } from "../fetch-photo.ts";
import type { Pace } from "./follow-request.ts";
import { mostClaims } from "./follow-request.ts";
import type { Outcome, Task, Usage } from "./generator.ts";
import { failWith } from "./provider-failures.ts";
import { type ModelDeps, takePicture } from "./run-once.ts";

const dataUrl = /^data:image\/[a-z+.-]{1,20};base64,/;

/** The bytes behind an address that a result names; it may be the picture itself. */
export async function fetchResult(
  { fetchPhoto }: ModelDeps,
  url: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const head = dataUrl.exec(url)?.[0];
  if (head) return Buffer.from(url.slice(head.length), "base64");
  return await fetchPhoto(url, { signal });
}

type Taking = { deps: ModelDeps; task: Task; usage: Usage; pace: Pace; signal: AbortSignal };

/**
 * A picture that was made and paid for, as an outcome. What can't be had now is fetched again by
 * the request's id, which costs nothing; in the end it is bad_output.
 */
export async function completePicture(
  read: () => Promise<Uint8Array>,
  { deps, task, usage, pace, signal }: Taking,
): Promise<Outcome> {
  try {
    const picture = await takePicture(deps, await read(), signal);
    return { status: "completed", output: { kind: "image", ...picture }, usage };
  } catch (error) {
    signal.throwIfAborted();
    if (mayPass(error, task.attempt)) {
      return { status: "unknown", askAgainInMs: pace.askAgainMs };
    }
    return { ...failWith("bad_output"), usage };
  }
}

function mayPass(error: unknown, attempt: number): boolean {
  if (!(error instanceof PhotoUnreachable)) return attempt < mostClaims;
  // Where it lies and how large it is will be the same the next time.
  if (error.reason === "blocked" || error.reason === "too_large") return false;
  // A server that is down for now; the deadline ends it.
  return error.retryable || attempt < mostClaims;
}
