import { createLemonSqueezy } from "@ducat/billing/lemon-squeezy";
import type { Mode, PaymentProvider, ProviderName } from "@ducat/billing/provider";
import { createSandbox } from "@ducat/billing/sandbox";
import { createSandboxKeeper, type SandboxKeeper } from "@ducat/billing/sandbox-keeper";
import { createStripe } from "@ducat/billing/stripe";
import { pushStripeCatalog } from "@ducat/billing/stripe-catalog";
import { createZarinpal } from "@ducat/billing/zarinpal";
import type { Db } from "@ducat/db/connect";
import { deriveKey } from "./derive-key.ts";
import type { PushPrices } from "./push-catalog.ts";
import { describeSandbox, type SandboxPlace } from "./sandbox-books.ts";
import type { PaymentSettings } from "./settings.ts";

/**
 * The providers of this deployment by name; one without a key is not there, nor one for plans that
 * nobody pays for.
 */
export type Providers = ReadonlyMap<ProviderName, PaymentProvider> & {
  get(name: ProviderName | "manual"): PaymentProvider | undefined;
};

/** What the flows need of a logger; pino's shape. */
export type PaymentLog = {
  info(detail: Record<string, unknown>, message: string): void;
  warn(detail: Record<string, unknown>, message: string): void;
  error(detail: Record<string, unknown>, message: string): void;
};

/** What every flow of payments is made of. */
export type PaymentDeps = {
  db: Db;
  providers: Providers;
  /** The sandbox's own side: its pages, and what it does by itself. In test mode only. */
  sandbox?: SandboxKeeper;
  /** Makes the provider that has our prices too have those of a catalog; absent with it. */
  pushPrices?: PushPrices;
  mode: Mode;
  publicUrl: string;
  log: PaymentLog;
  /** Milliseconds, for what concerns this process; business time is the database's. */
  now: () => number;
};

export type ProviderSettings = Omit<PaymentSettings, "PUBLIC_URL" | "SECRET_KEYS">;

/** Makes the providers that have their keys, and in test mode the sandbox beside them. */
export function createProviders(settings: ProviderSettings, place: SandboxPlace): Providers {
  const made = [
    makeStripe(settings, place),
    makeLemonSqueezy(settings, place),
    makeZarinpal(settings, place),
    place.mode === "test" ? createSandbox(describeSandbox(place)) : undefined,
  ];
  const there = made.filter((provider) => provider !== undefined);
  return new Map(there.map((provider) => [provider.name, provider]));
}

/** All that the flows need, from the settings of a process. */
export function createPaymentDeps(
  settings: ProviderSettings,
  place: SandboxPlace & { log: PaymentLog },
): PaymentDeps {
  const { db, mode, publicUrl, log, now = Date.now } = place;
  const pushPrices = makePushPrices(settings, place);
  return {
    db,
    providers: createProviders(settings, place),
    ...(pushPrices && { pushPrices }),
    ...(mode === "test" && { sandbox: createSandboxKeeper(describeSandbox(place)) }),
    mode,
    publicUrl,
    log,
    now,
  };
}

const shared = ({ mode, fetch, now }: SandboxPlace, baseUrl: string | undefined) => ({
  mode,
  ...(baseUrl !== undefined && { baseUrl }),
  ...(fetch && { fetch }),
  ...(now && { now }),
});

/** Stripe's are made by us; the others' are made there, or are none. */
export function makePushPrices(
  settings: Pick<ProviderSettings, "STRIPE_SECRET_KEY" | "STRIPE_API_URL">,
  place: Pick<SandboxPlace, "mode" | "fetch">,
): PushPrices | undefined {
  const { STRIPE_SECRET_KEY: secretKey, STRIPE_API_URL: baseUrl } = settings;
  const { mode, fetch } = place;
  if (secretKey === undefined) return undefined;
  const options = { secretKey, mode, ...(baseUrl !== undefined && { baseUrl }) };
  return (rows, how) => pushStripeCatalog({ ...options, ...(fetch && { fetch }) }, rows, how);
}

function makeStripe(settings: ProviderSettings, place: SandboxPlace): PaymentProvider | undefined {
  const { STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET = [] } = settings;
  if (STRIPE_SECRET_KEY === undefined) return undefined;
  const { STRIPE_PORTAL_CONFIGURATION: portalConfiguration } = settings;
  return createStripe({
    ...shared(place, settings.STRIPE_API_URL),
    secretKey: STRIPE_SECRET_KEY,
    webhookSecrets: STRIPE_WEBHOOK_SECRET,
    ...(portalConfiguration !== undefined && { portalConfiguration }),
  });
}

function makeLemonSqueezy(
  settings: ProviderSettings,
  place: SandboxPlace,
): PaymentProvider | undefined {
  const { LEMONSQUEEZY_API_KEY, LEMONSQUEEZY_STORE_ID, LEMONSQUEEZY_WEBHOOK_SECRET } = settings;
  if (LEMONSQUEEZY_API_KEY === undefined || LEMONSQUEEZY_STORE_ID === undefined) return undefined;
  return createLemonSqueezy({
    ...shared(place, settings.LEMONSQUEEZY_API_URL),
    apiKey: LEMONSQUEEZY_API_KEY,
    storeId: LEMONSQUEEZY_STORE_ID,
    webhookSecrets: LEMONSQUEEZY_WEBHOOK_SECRET ?? [],
    referenceSecrets: place.secretKeys.map((key) =>
      deriveKey(key, "lemon squeezy references").toString("base64url"),
    ),
  });
}

function makeZarinpal(
  settings: ProviderSettings,
  place: SandboxPlace,
): PaymentProvider | undefined {
  const { ZARINPAL_MERCHANT_ID, ZARINPAL_ACCESS_TOKEN } = settings;
  if (ZARINPAL_MERCHANT_ID === undefined) return undefined;
  return createZarinpal({
    ...shared(place, settings.ZARINPAL_API_URL),
    merchantId: ZARINPAL_MERCHANT_ID,
    ...(ZARINPAL_ACCESS_TOKEN !== undefined && { accessToken: ZARINPAL_ACCESS_TOKEN }),
  });
}
