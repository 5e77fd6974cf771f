import type { Generator } from "../src/generators/generator.ts";
import { createGoogleGenerator } from "../src/generators/google.ts";
import { createOpenAiGenerator } from "../src/generators/openai.ts";
import type { ModelDeps, ModelEndpoint } from "../src/generators/run-once.ts";
import { type Subject, usualEnds } from "./generator-conformance.ts";
import { type Fault, faults } from "./model-books.ts";
import { type ModelServer, startModelServer } from "./model-server.ts";

type Ends = NonNullable<Subject["ends"]>;

const pace = { pollMs: 20, mostPollMs: 20, askAgainMs: 50 };

/** Work that has an id is asked for until there is an answer: only what it says is final. */
const polledEnds: Ends = {
  ...Object.fromEntries(faults.map((fault) => [fault, { once: "completed" }])),
  "error-inside": { once: "provider_failed" },
  refused: { once: "moderation_refused" },
  filtered: { once: "moderation_refused" },
  "broken-output": { once: "completed", ever: "bad_output" },
};

/** Who keeps keys can be asked again, and gives what it has done. */
const keyedEnds: Ends = Object.fromEntries([
  ...faults
    .filter((fault) => usualEnds[fault].once === "outcome_unknown")
    .map((fault) => [fault, { once: "completed" }]),
  ["error-after", { once: "completed", ever: "outcome_unknown" }],
]);

/** What is read differently by each of them; the rest of a request is the same code for all. */
const read: Fault[] = [
  ...(["limit-date", "error-after", "hang", "cut", "wrong-type", "broken-output"] as const),
  ...(["error-inside", "absurd-usage", "refused", "filtered"] as const),
];

type Plan = {
  kind: Subject["kind"];
  model: string;
  api?: ModelEndpoint["api"];
  fromPhoto?: true;
  isGoogle?: true;
  keepsKeys?: true;
  isPolled?: true;
  ends?: Ends;
  /** Only those that are read differently, but in the long form. */
  isSample?: true;
};

const plans = {
  "openai-text": { kind: "text", model: "gpt-5-mini" },
  "openai-image": { kind: "image", model: "gpt-image-1", isSample: true },
  "openai-edit": { kind: "image", model: "gpt-image-1", fromPhoto: true, isSample: true },
  "openai-keyed": { kind: "image", model: "gpt-image-1", keepsKeys: true, ends: keyedEnds },
  "openrouter-image": { kind: "image", model: "google/nano", api: "chat", isSample: true },
  "responses-text": { kind: "text", model: "gpt-5", api: "responses", isSample: true },
  "responses-image": { kind: "image", model: "gpt-5", api: "responses", isSample: true },
  "responses-polled": {
    ...{ kind: "image", model: "gpt-5-polled", api: "responses" },
    ...{ isPolled: true, ends: polledEnds },
  },
  "gemini-text": { kind: "text", model: "gemini-2.5-flash", isGoogle: true },
  "gemini-image": { kind: "image", model: "gemini-2.5-image", isGoogle: true, isSample: true },
  "gemini-edit": {
    ...{ kind: "image", model: "gemini-2.5-image", isGoogle: true },
    ...{ fromPhoto: true, isSample: true },
  },
  imagen: { kind: "image", model: "imagen-4.0-generate-001", isGoogle: true, isSample: true },
} satisfies Record<string, Plan>;

export const modelSubjects = Object.keys(plans) as (keyof typeof plans)[];

/** The models behind OpenAI's API and Gemini's, and the servers that speak them. */
export async function startModelSubjects(
  isWhole: boolean,
): Promise<{ servers: ModelServer[]; subjects: Subject[] }> {
  const plain = await startModelServer();
  const keeping = await startModelServer({ keepsKeys: true });
  const subjects = modelSubjects.map((name): Subject => {
    const plan: Plan = plans[name];
    const server = plan.keepsKeys ? keeping : plain;
    const others = faults.filter((fault) => !read.includes(fault));
    const left = plan.isSample && !isWhole ? others.map((fault) => [fault, null]) : [];
    return {
      ...{ name, server, kind: plan.kind, params: { model: plan.model } },
      ...(plan.fromPhoto && { fromPhoto: true }),
      ...(plan.isPolled && { isPolled: true }),
      ends: { ...plan.ends, ...Object.fromEntries(left) },
      createGenerator: (deps, timeout_s) =>
        createGenerator(plan, { name, timeout_s, url: server.url, key: "sk-secret" }, deps),
    };
  });
  return { servers: [plain, keeping], subjects };
}

function createGenerator(
  { api, isGoogle, keepsKeys }: Plan,
  { url = "", ...rest }: ModelEndpoint,
  deps: ModelDeps,
): Generator {
  const endpoint = {
    ...rest,
    ...(api && { api }),
    ...(keepsKeys && { idempotency_header: "Idempotency-Key" }),
  };
  return isGoogle
    ? createGoogleGenerator({ ...endpoint, url: `${url}/v1beta` }, deps, pace)
    : createOpenAiGenerator({ ...endpoint, url: `${url}/v1` }, deps, pace);
}
