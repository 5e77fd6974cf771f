import { checkLoginPage, LoginPageSettings } from "@ducat/messages/login-page";
import { checkMessageSettings, MessageSettings } from "@ducat/messages/settings";
import { checkPaymentSettings, PaymentSettings } from "@ducat/payments/settings";
import { checkStorageSettings, StorageSettings } from "@ducat/storage/settings";
import { z } from "zod";
import { ModelSettings } from "./model-settings.ts";

const scheme = (...names: string[]) => new RegExp(`^(?:${names.join("|")})://`);
const postgresUrl = z.string().regex(scheme("postgres", "postgresql"), "starts with postgres://");
const redisUrl = z.string().regex(scheme("redis", "rediss"), "starts with redis://");

/** What a worker reads from its environment. The same names mean the same in the API. */
export const Env = z.object({
  DATABASE_URL: postgresUrl,
  /** Not through a transaction pooler: the queue on PostgreSQL listens on it. */
  DIRECT_DATABASE_URL: postgresUrl.optional(),
  REDIS_URL: redisUrl.optional(),
  QUEUE_URL: z.union([postgresUrl, redisUrl], "starts with redis:// or postgres://").optional(),
  DUCAT_MODE: z.enum(["test", "live"]),
  /** The API's: where it is when PUBLIC_URL doesn't say. */
  PORT: z.coerce.number().int().min(1).max(65_535).default(8787),
  /** PUBLIC_URL, SECRET_KEYS and the payment providers. */
  ...PaymentSettings.shape,
  /** Where files are kept. */
  ...StorageSettings.shape,
  ...MessageSettings.shape,
  /** The providers of models. */
  ...ModelSettings.shape,
  /** With it, models that draw from an address get a photo of it from Google Maps. */
  GOOGLE_MAPS_KEY: z.string().min(8, "has at least 8 characters").max(1_000).optional(),
  /** Where Google Maps is, if not at its own address. */
  GOOGLE_MAPS_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** Whose pages mailed links lead to. */
  ...LoginPageSettings.shape,
  /** How many items one process works on at the same time. */
  WORKER_CONCURRENCY: z.coerce.number().int().min(1).max(64).default(2),
  /** Hosts that photos come from and webhooks go to although they are on a private network. */
  FETCH_ALLOW_HOSTS: z
    .string()
    .default("")
    .transform((text) => text.split(",").flatMap((host) => host.trim() || [])),
  /** Where /livez, /readyz and /metrics are answered; unset: nowhere. */
  METRICS_PORT: z.coerce.number().int().min(1).max(65_535).optional(),
  METRICS_HOST: z.string().default("127.0.0.1"),
  METRICS_TOKEN: z.string().min(16, "has at least 16 characters").optional(),
  LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "fatal"]).default("info"),
});

const Checked = Env.refine(
  ({ DUCAT_MODE, FETCH_ALLOW_HOSTS }) => DUCAT_MODE === "test" || FETCH_ALLOW_HOSTS.length === 0,
  { path: ["FETCH_ALLOW_HOSTS"], error: "opens private networks and is for test mode only" },
)
  .refine(
    ({ DUCAT_MODE, GOOGLE_MAPS_URL }) =>
      DUCAT_MODE === "test" || !/^http:/i.test(GOOGLE_MAPS_URL ?? ""),
    { path: ["GOOGLE_MAPS_URL"], error: "starts with https:// in live mode: the key goes there" },
  )
  .superRefine(checkPaymentSettings)
  .superRefine(checkStorageSettings)
  .superRefine(checkMessageSettings)
  .superRefine(checkLoginPage);

type Parsed = z.infer<typeof Env>;
export type Env = Omit<Parsed, "DIRECT_DATABASE_URL" | "QUEUE_URL" | "REDIS_URL" | "PUBLIC_URL"> & {
  PUBLIC_URL: string;
  /** Where processes tell each other what is new. */
  bus: { postgresUrl: string; redisUrl: string | undefined };
  queue: { url: string; role?: string };
};

/**
 * The worker's settings; an empty variable counts as unset. Throws an Error that names every fault
 * at once, without repeating values: some are secret.
 */
export function parseEnv(source: Record<string, string | undefined>): Env {
  const given = Object.entries(source).filter(([, value]) => value?.trim());
  const parsed = Checked.safeParse(Object.fromEntries(given));
  if (!parsed.success) {
    throw new Error(`The environment is not complete:\n${z.prettifyError(parsed.error)}`);
  }
  const { DIRECT_DATABASE_URL, QUEUE_URL, REDIS_URL, ...env } = parsed.data;
  const PUBLIC_URL = env.PUBLIC_URL ?? `http://127.0.0.1:${env.PORT}`;
  const bus = { postgresUrl: DIRECT_DATABASE_URL ?? env.DATABASE_URL, redisUrl: REDIS_URL };
  return { ...env, PUBLIC_URL, bus, queue: chooseQueue(parsed.data) };
}

function chooseQueue(env: Parsed): Env["queue"] {
  const url = env.QUEUE_URL ?? env.REDIS_URL;
  if (url !== undefined) return { url };
  // In our own database the migrations gave BullMQ's tables to a role that this login may take.
  return { url: env.DIRECT_DATABASE_URL ?? env.DATABASE_URL, role: "ducat_queue" };
}
