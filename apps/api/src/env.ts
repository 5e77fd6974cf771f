import { checkLoginPage, LoginPageSettings } from "@ducat/messages/login-page";
import { checkPaymentSettings, PaymentSettings } from "@ducat/payments/settings";
import { checkStorageSettings, StorageSettings } from "@ducat/storage/settings";
import { isSupportedCountry } from "libphonenumber-js/min";
import { z } from "zod";
import { checkIssuers, IssuerList } from "./issuer-settings.ts";

const scheme = (...names: string[]) => new RegExp(`^(?:${names.join("|")})://`);
const postgresUrl = z.string().regex(scheme("postgres", "postgresql"), "starts with postgres://");
const redisUrl = z.string().regex(scheme("redis", "rediss"), "starts with redis://");
const list = (text: string) => text.split(",").flatMap((part) => part.trim() || []);

/** What the API reads from its environment. The same names mean the same in the worker. */
export const Env = z.object({
  PORT: z.coerce.number().int().min(1).max(65_535).default(8787),
  HOST: z.string().default("0.0.0.0"),
  DATABASE_URL: postgresUrl,
  /** Not through a transaction pooler: the queue on PostgreSQL listens on it. */
  DIRECT_DATABASE_URL: postgresUrl.optional(),
  REDIS_URL: redisUrl.optional(),
  QUEUE_URL: z.union([postgresUrl, redisUrl], "starts with redis:// or postgres://").optional(),
  DUCAT_MODE: z.enum(["test", "live"]),
  ROOT_KEY: z.string().min(32, "has at least 32 characters"),
  /** PUBLIC_URL, SECRET_KEYS and the payment providers. */
  ...PaymentSettings.shape,
  /** Where files are kept. */
  ...StorageSettings.shape,
  /** ALLOWED_ORIGINS, and whose pages mailed links lead to. */
  ...LoginPageSettings.shape,
  /** Whose tokens are accepted beside our own. */
  OIDC_ISSUERS: IssuerList,
  /** Reverse proxies before the API, each of which adds to X-Forwarded-For. */
  PROXY_HOPS: z.coerce.number().int().min(0).max(10).default(0),
  /** How many codes are sent to telephones in a day, to all together. */
  SMS_DAILY_LIMIT: z.coerce.number().int().min(0).max(1_000_000).default(1_000),
  /** The countries whose numbers they are sent to; empty: all. */
  SMS_COUNTRIES: z
    .string()
    .default("")
    .transform((text) => list(text.toUpperCase()))
    .refine((countries) => countries.every((country) => isSupportedCountry(country)), {
      error: "are country codes as in IR,DE, with commas between them",
    }),
  /** Hosts that webhooks may go to although they are on a private network. */
  FETCH_ALLOW_HOSTS: z.string().default("").transform(list),
  METRICS_TOKEN: z.string().min(16, "has at least 16 characters").optional(),
  LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "fatal"]).default("info"),
});

/** A key says which mode it is for; one of the other mode never starts a deployment. */
const Checked = Env.refine(
  ({ DUCAT_MODE, ROOT_KEY }) =>
    !ROOT_KEY.startsWith(DUCAT_MODE === "live" ? "dk_test_" : "dk_live_"),
  { path: ["ROOT_KEY"], error: "belongs to the other mode (see DUCAT_MODE)" },
)
  .refine(
    ({ DUCAT_MODE, FETCH_ALLOW_HOSTS }) => DUCAT_MODE === "test" || FETCH_ALLOW_HOSTS.length === 0,
    { path: ["FETCH_ALLOW_HOSTS"], error: "opens private networks and is for test mode only" },
  )
  .superRefine(checkPaymentSettings)
  .superRefine(checkStorageSettings)
  .superRefine(checkLoginPage)
  .superRefine(checkIssuers);

type Parsed = z.infer<typeof Env>;
export type Env = Omit<Parsed, "DIRECT_DATABASE_URL" | "QUEUE_URL" | "PUBLIC_URL"> & {
  PUBLIC_URL: string;
  /** DATABASE_URL where there is no pooler in between. */
  DIRECT_DATABASE_URL: string;
  queue: { url: string; role?: string };
};

/**
 * The API's settings; an empty variable counts as unset. Throws an Error that names every fault
 * at once, without repeating values: some are secret.
 */
export function parseEnv(source: Record<string, string | undefined>): Env {
  const given = Object.entries(source).filter(([, value]) => value?.trim());
  const parsed = Checked.safeParse(Object.fromEntries(given));
  if (!parsed.success) {
    throw new Error(`The environment is not complete:\n${z.prettifyError(parsed.error)}`);
  }
  const { QUEUE_URL, ...env } = parsed.data;
  const PUBLIC_URL = env.PUBLIC_URL ?? `http://127.0.0.1:${env.PORT}`;
  const DIRECT_DATABASE_URL = env.DIRECT_DATABASE_URL ?? env.DATABASE_URL;
  return { ...env, PUBLIC_URL, DIRECT_DATABASE_URL, queue: chooseQueue(parsed.data) };
}

function chooseQueue(env: Parsed): Env["queue"] {
  const url = env.QUEUE_URL ?? env.REDIS_URL;
  if (url !== undefined) return { url };
  // In our own database the migrations gave BullMQ's tables to a role that this login may take.
  return { url: env.DIRECT_DATABASE_URL ?? env.DATABASE_URL, role: "ducat_queue" };
}
