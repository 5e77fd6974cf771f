import { z } from "zod";

const isUrl = (text: string) => /^https?:\/\/[^@\s]+$/.test(text) && URL.canParse(text);
const url = z.string().max(500).refine(isUrl, "is an address as in https://api.example.com/v1");
/** It goes into a header: what can't would be in the words of the fault, request by request. */
const key = z
  .string()
  .trim()
  .min(8, "has at least 8 characters")
  .max(1_000)
  .regex(/^[\x21-\x7e]*$/, "has only visible ASCII characters");
const headerName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/);
const headerValue = z
  .string()
  .max(1_000)
  .regex(/^[\x20-\x7e]*$/, "has only ASCII characters, on one line");
const micros = z.int().min(0).max(100_000_000);

/** What a model costs us, in millionths of a US dollar; what a provider says itself comes first. */
export const ModelCost = z
  .strictObject({
    input_micros_per_1k: micros.optional(),
    output_micros_per_1k: micros.optional(),
    image_micros: micros.optional(),
    /** For each second that the model ran, where its provider tells the time. */
    second_micros: micros.optional(),
    /** The most that one item can cost; without it, what follows from the others. */
    most_micros: micros.optional(),
  })
  .refine((cost) => Object.keys(cost).length > 0, "says at least one cost")
  // Nobody knows beforehand how long it takes.
  .refine(
    (cost) => cost.second_micros === undefined || cost.most_micros !== undefined,
    "second_micros needs most_micros",
  );
export type ModelCost = z.infer<typeof ModelCost>;

const providerKinds = ["openai", "google", "fal", "replicate"] as const;

const limits = {
  /** Which of an OpenAI-compatible provider's interfaces; without it, the usual one of the kind. */
  api: z.enum(["chat", "responses", "images"]).optional(),
  /** A header by which it gives the first answer again to who asks twice. */
  idempotency_header: headerName.optional(),
  headers: z.record(headerName, headerValue).default({}),
  /** How many items one worker has at it at the same time. */
  most_running: z.int().min(1).max(1_000).optional(),
  /** What all workers together may spend at it on one day (UTC). */
  daily_cap_micros: z.int().min(1).max(1_000_000_000_000).optional(),
  timeout_s: z.int().min(1).max(3_600).default(120),
  /** By the model's name; `*` is any other. */
  costs: z.record(z.string().min(1).max(200), ModelCost).default({}),
};

const Entry = z.strictObject({
  kind: z.enum(providerKinds),
  url: url.optional(),
  /** The variable that holds the key. */
  key_env: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,99}$/, "is the name of a variable")
    .optional(),
  ...limits,
});

/** A provider as this deployment has it. */
export type ProviderSettings = Omit<z.infer<typeof Entry>, "key_env"> & {
  name: string;
  key?: string;
};

/** `local` is no provider: it is always there. */
const name = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,39}$/, "is 1 to 40 of a-z, 0-9, _ and -")
  .refine((text) => text !== "local", "is the name of what is built in");
const Entries = z.record(name, Entry).refine((all) => Object.keys(all).length <= 50, "up to 50");

/** The providers that variables alone name, and the file that names others. */
export const ModelSettings = z.object({
  OPENAI_COMPATIBLE_URL: url.optional(),
  OPENAI_COMPATIBLE_KEY: key.optional(),
  GOOGLE_API_KEY: key.optional(),
  GOOGLE_API_URL: url.optional(),
  REPLICATE_TOKEN: key.optional(),
  REPLICATE_API_URL: url.optional(),
  FAL_KEY: key.optional(),
  FAL_API_URL: url.optional(),
  /** The path of a JSON file: {name: {kind, url, key_env, …}}. */
  MODEL_PROVIDERS: z.string().max(4_096).optional(),
});
export type ModelSettings = z.infer<typeof ModelSettings>;

const ownNames = [
  { name: "openai", key: "OPENAI_COMPATIBLE_KEY", url: "OPENAI_COMPATIBLE_URL" },
  { name: "google", key: "GOOGLE_API_KEY", url: "GOOGLE_API_URL" },
  { name: "replicate", key: "REPLICATE_TOKEN", url: "REPLICATE_API_URL" },
  { name: "fal", key: "FAL_KEY", url: "FAL_API_URL" },
] as const;

type Source = Record<string, string | undefined>;

/**
 * The providers by their names. `file` is what MODEL_PROVIDERS names, `source` where the keys are.
 * Throws an Error that names every fault and repeats no value: a file may hold secrets by mistake.
 */
export function readProviders(
  settings: ModelSettings & { DUCAT_MODE: "test" | "live" },
  { file, source }: { file?: string | undefined; source: Source },
): ProviderSettings[] {
  const faults: string[] = [];
  const named = file === undefined ? [] : readFile(file, source, faults);
  const own = readOwn(settings);
  for (const { name } of own) {
    if (named.some((one) => one.name === name)) {
      faults.push(`${name}: is named in the environment already`);
    }
  }
  const all = [...own, ...named];
  for (const one of all) faults.push(...checkProvider(one, settings.DUCAT_MODE));
  if (faults.length > 0) {
    throw new Error(`The providers of models are not complete:\n${faults.join("\n")}`);
  }
  return all;
}

function readOwn(settings: ModelSettings): ProviderSettings[] {
  return ownNames.flatMap(({ name, ...variables }) => {
    const { [variables.key]: key, [variables.url]: url } = settings;
    // One that speaks OpenAI's language is known by where it is, the others by their key.
    if (name === "openai" ? url === undefined && key === undefined : key === undefined) return [];
    const entry = Entry.parse({ kind: name, ...(url !== undefined && { url }) });
    return [{ ...entry, name, ...(key !== undefined && { key }) }];
  });
}

function readFile(text: string, source: Source, faults: string[]): ProviderSettings[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    faults.push("MODEL_PROVIDERS: the file holds no JSON");
    return [];
  }
  const parsed = Entries.safeParse(json);
  if (!parsed.success) {
    faults.push(z.prettifyError(parsed.error));
    return [];
  }
  return Object.entries(parsed.data).map(([name, { key_env, ...entry }]) => {
    if (key_env === undefined) return { ...entry, name };
    const given = key.safeParse(source[key_env]?.trim());
    if (!given.success) faults.push(`${name}: ${key_env} holds no key`);
    return { ...entry, name, key: given.data ?? "" };
  });
}

const isSecret = (header: string) => /auth|key|token|secret|cookie|signature/i.test(header);
const isHere = (host: string) => /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(host);

function checkProvider(provider: ProviderSettings, mode: "test" | "live"): string[] {
  const faults: string[] = [];
  const { name, kind, url, key, costs, daily_cap_micros: cap } = provider;
  const isOpen = url?.startsWith("http:") && !isHere(new URL(url).hostname);
  const hasKey = key !== undefined || Object.keys(provider.headers).some(isSecret);
  if (mode === "live" && isOpen && hasKey) {
    faults.push(`${name}: a key goes over https:// only, in live mode`);
  }
  if (kind !== "openai" && key === undefined) faults.push(`${name}: needs a key`);
  if (kind !== "openai" && provider.api !== undefined) {
    faults.push(`${name}: api is for the kind openai`);
  }
  // Without costs a cap would never be reached.
  if (cap !== undefined && Object.keys(costs).length === 0) {
    faults.push(`${name}: daily_cap_micros needs costs`);
  }
  return faults;
}
