import { createPhotoFetcher } from "../src/fetch-photo.ts";
import { createFalGenerator } from "../src/generators/fal.ts";
import type { Pace } from "../src/generators/follow-request.ts";
import { createReplicateGenerator } from "../src/generators/replicate.ts";
import type { ModelDeps } from "../src/generators/run-once.ts";
import type { End, Subject } from "./generator-conformance.ts";
import { type Fault, faults } from "./model-books.ts";
import { falRoute } from "./model-fal.ts";
import { createQueues, type FaultStage } from "./model-queues.ts";
import { replicateRoute } from "./model-replicate.ts";
import { type ModelServer, startModelServer } from "./model-server.ts";

const pace: Pace = { pollMs: 50, mostPollMs: 200, askAgainMs: 50 };
const timeout_s = 4;

type Ends = Partial<Record<Fault, End | null>>;
/** Known work is asked for again, whatever an answer was. */
const askedAgain: Ends = Object.fromEntries(faults.map((fault) => [fault, { once: "completed" }]));
const unsaid: Ends = { refused: null, filtered: null };
const moderated = {
  refused: { once: "moderation_refused" },
  filtered: { once: "moderation_refused" },
};
const prediction: Ends = {
  ...askedAgain,
  ...moderated,
  "error-inside": { once: "provider_failed" },
};
// Photos are fetched from wherever their addresses lead.
const picture: Ends = { ...askedAgain, ...unsaid, redirect: null };

/** How a fault ends, by which of the item's requests it hits. */
const ends = {
  "fal-submit": { filtered: null },
  "fal-status": { ...askedAgain, ...unsaid },
  "fal-result": {
    ...askedAgain,
    ...moderated,
    "error-inside": { once: "provider_refused" },
    "broken-output": { once: "provider_failed" },
  },
  "fal-picture": picture,
  "replicate-submit": { filtered: null },
  "replicate-status": prediction,
  "replicate-text": { ...prediction, "broken-output": { once: "bad_output" } },
  "replicate-picture": picture,
} satisfies Record<string, Ends>;

export type QueueSubject = keyof typeof ends;
export const queueSubjects = Object.keys(ends) as QueueSubject[];

/** fal and Replicate with faults in each of an item's requests; `picks` says which are tried. */
export async function startQueueSubjects(
  picks?: Record<QueueSubject, Fault[]>,
): Promise<{ server: ModelServer; subjects: Subject[] }> {
  const server = await startModelServer(createQueues([falRoute, replicateRoute]));
  const pick = (name: QueueSubject): Ends => {
    const all: Ends = ends[name];
    if (!picks) return all;
    const others = faults.filter((fault) => !picks[name].includes(fault));
    return { ...all, ...Object.fromEntries(others.map((fault) => [fault, null])) };
  };
  const subjects = queueSubjects.map((name): Subject => {
    const [provider = "", part = ""] = name.split("-");
    const isText = part === "text";
    const stage: FaultStage = isText ? "status" : (part as FaultStage);
    const model = provider === "fal" ? `fal-ai/${stage}/draw` : `test/${stage}`;
    return {
      ...{ name, server, ends: pick(name) },
      kind: isText ? "text" : "image",
      fromPhoto: name === "fal-result" || name === "replicate-status",
      params: { model: isText ? `${model}-text` : model },
      createGenerator: (deps) => createGenerator(provider, server, deps),
    };
  });
  return { server, subjects };
}

function createGenerator(provider: string, { url }: ModelServer, deps: ModelDeps) {
  const { host } = new URL(url);
  const here = {
    ...deps,
    fetchPhoto: createPhotoFetcher({ allowHosts: [host], timeoutMs: 3_000 }),
  };
  return provider === "fal"
    ? createFalGenerator({ name: "fal", url: `${url}/fal`, key: "f-secret", timeout_s }, here, pace)
    : createReplicateGenerator(
        { name: "replicate", url: `${url}/replicate/v1`, key: "r-secret", timeout_s },
        here,
        pace,
      );
}
