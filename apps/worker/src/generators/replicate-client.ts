import Replicate from "replicate";
import { type Called, callProvider, toResponse } from "./call-provider.ts";
import { defaultAnswerBytes, defaultTimeoutS, type ModelEndpoint } from "./run-once.ts";

const replicateUrl = "https://api.replicate.com/v1";
const longestCallMs = 30_000;

export type ReplicateCall = {
  endpoint: ModelEndpoint;
  signal: AbortSignal;
  maxBytes?: number | undefined;
  headers?: Record<string, string>;
};

/**
 * One call by Replicate's client. The client sends a request again when its connection breaks, a
 * submission too, which would be paid again: so it only ever sees the first answer. Throws the
 * reason of the signal, and nothing else that the network may do.
 */
export async function callReplicate(
  { endpoint, signal, maxBytes = defaultAnswerBytes, headers: more }: ReplicateCall,
  use: (client: Replicate) => Promise<unknown>,
): Promise<Called> {
  const { url = replicateUrl, key = "", timeout_s = defaultTimeoutS } = endpoint;
  const timeoutMs = Math.min(longestCallMs, timeout_s * 1_000);
  const send = async (target: string, init: RequestInit | undefined) => {
    const request = new Request(target, init);
    const headers = { ...Object.fromEntries(request.headers), ...endpoint.headers, ...more };
    const limits = { headers, signal, timeoutMs, maxBytes };
    if (request.method !== "POST") return await callProvider(new URL(target), limits);
    const body = Buffer.from(await request.arrayBuffer());
    return await callProvider(new URL(target), { ...limits, method: "POST", body });
  };
  let first: Promise<Called> | undefined;
  const client = new Replicate({
    ...{ auth: key, baseUrl: url, userAgent: "Ducat", useFileOutput: false },
    fetch: async (target, init) => {
      first ??= send(String(target), init);
      return toResponse(await first);
    },
  });
  // What went wrong is in what was seen of it; the client's words repeat the request.
  await use(client).catch(() => signal.throwIfAborted());
  if (!first) throw new Error("Replicate's client sent nothing");
  return await first;
}
