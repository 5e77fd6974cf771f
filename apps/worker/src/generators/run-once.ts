import { setTimeout as sleep } from "node:timers/promises";
import type { ImageIntake, Picture as Intaken } from "@ducat/storage/image-intake";
import { DomainError } from "@ducat/types/errors";
import { type FetchPhoto, PhotoUnreachable } from "../fetch-photo.ts";
import { toStorable } from "../storable-text.ts";
import { createExchange, type Exchange } from "./exchange.ts";
import type { Facts } from "./facts.ts";
import { type Context, type Outcome, type Output, sentMark, type Task } from "./generator.ts";
import { judgeFailure } from "./judge-failure.ts";
import { failWith } from "./provider-failures.ts";
import { readUsage } from "./read-usage.ts";

/** Where and how a provider is asked; its settings have these members. */
export type ModelEndpoint = {
  name: string;
  url?: string | undefined;
  key?: string | undefined;
  headers?: Record<string, string>;
  idempotency_header?: string | undefined;
  timeout_s?: number;
  api?: "chat" | "responses" | "images" | undefined;
};

export type ModelDeps = {
  /** Judges the addresses of results as those of strangers' photos. */
  fetchPhoto: FetchPhoto;
  imageIntake: Pick<ImageIntake, "intake">;
  mostAnswerBytes?: number;
};

/** What a model made, before it is judged. */
export type Made = { kind: "text"; text: string } | { kind: "image"; bytes: Uint8Array };

export type Call = {
  endpoint: ModelEndpoint;
  deps: ModelDeps;
  task: Task;
  context: Context;
  /** Until a provider that did not answer is asked again, where that is safe. */
  askAgainMs?: number | undefined;
  readFacts(json: unknown): Facts;
  rewrite?(body: Record<string, unknown>): Record<string, unknown>;
  ask(exchange: Exchange): Promise<Made>;
};

export const defaultTimeoutS = 120;
/** Room for a picture of 32 MiB in Base64. */
export const defaultAnswerBytes = 48 * 1024 * 1024;
const mostTextLength = 100_000;
const busyTries = 5;

/**
 * Asks a provider that keeps no ids of requests: marks the item before the request leaves, and
 * sends it once. Who finds the mark sends again only under a key that the provider keeps.
 */
export async function runOnce(call: Call): Promise<Outcome> {
  const { endpoint, deps, task, context } = call;
  const { idempotency_header: header } = endpoint;
  if (context.requestId !== null && !header) return failWith("outcome_unknown");
  if (context.requestId === null) await context.saveRequestId(sentMark);
  const exchange = createExchange({
    signal: context.signal,
    timeoutMs: (endpoint.timeout_s ?? defaultTimeoutS) * 1_000,
    maxBytes: deps.mostAnswerBytes ?? defaultAnswerBytes,
    headers: { ...endpoint.headers, ...(header && { [header]: context.idempotencyKey }) },
    readFacts: call.readFacts,
    download: (url) => download(deps, url, context.signal),
    ...(call.rewrite && { rewrite: call.rewrite }),
  });
  try {
    const made = await call.ask(exchange);
    const { isWhole, facts } = exchange.seen;
    if (isWhole && !facts.isModerated && !facts.error) {
      const output = await toOutput(deps, made, context.signal);
      return { status: "completed", output, usage: readUsage(facts) };
    }
  } catch {
    // What went wrong is in what was seen of it; the words of the error may repeat a prompt.
    context.signal.throwIfAborted();
  } finally {
    exchange.close();
  }
  // The SDK knows that this model takes no such input; another may.
  if (!exchange.wasUsed()) return failWith("provider_refused", { failover: true });
  return judgeFailure(exchange.seen, {
    isIdempotent: Boolean(header),
    attempt: task.attempt,
    ...(call.askAgainMs !== undefined && { askAgainMs: call.askAgainMs }),
  });
}

/** What a model made, as it may be kept. Throws when it is not what it should be. */
export async function toOutput(deps: ModelDeps, made: Made, signal: AbortSignal): Promise<Output> {
  if (made.kind === "text") return { kind: "text", text: checkText(made.text) };
  return { kind: "image", ...(await takePicture(deps, made.bytes, signal)) };
}

function checkText(text: string): string {
  const kept = toStorable(text, mostTextLength).trim();
  if (kept === "" || text.length > mostTextLength) throw new Error("no text, or too much of it");
  return kept;
}

/** Decodes and encodes a picture anew. It was paid for: that we are busy is no reason to fail. */
export async function takePicture(
  { imageIntake }: ModelDeps,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<Intaken> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await imageIntake.intake(bytes);
    } catch (error) {
      const isBusy = error instanceof DomainError && error.code === "unavailable";
      if (!isBusy || tries >= busyTries) throw error;
      await sleep(tries * 500, undefined, { signal });
    }
  }
}

async function download(deps: ModelDeps, url: string, signal: AbortSignal): Promise<Buffer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await deps.fetchPhoto(url, { signal });
    } catch (error) {
      const mayPass = error instanceof PhotoUnreachable && error.retryable;
      if (!mayPass || tries >= busyTries) throw error;
      await sleep(tries * 500, undefined, { signal });
    }
  }
}

const dataUrl = /^data:image\/[a-z+.-]{1,20};base64,/;

/** The bytes behind what an answer names as its picture: an address, or the picture in a URL. */
export async function fetchPicture(exchange: Exchange, url: string): Promise<Uint8Array> {
  const head = dataUrl.exec(url)?.[0];
  if (head) return Buffer.from(url.slice(head.length), "base64");
  return new Uint8Array(await (await exchange.fetch(url)).arrayBuffer());
}
