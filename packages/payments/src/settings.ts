import type { Mode } from "@ducat/billing/provider";
import { z } from "zod";

const list = (text: string) => text.split(",").flatMap((part) => part.trim() || []);
const secrets = (isFit: (secret: string) => boolean, error: string) =>
  z
    .string()
    .transform(list)
    .refine((all) => all.length > 0 && all.every(isFit), { error });
const isOrigin = (text: string) => /^https?:\/\/[^/?#@\s]+$/.test(text);
const apiUrl = z
  .string()
  .refine(isOrigin, "is an origin as in https://stripe.example.com")
  .optional();

/**
 * What the payment flows read from the environment, the same in the API and the worker. A provider
 * whose key is absent is absent.
 */
export const PaymentSettings = z.object({
  /** Where customers and providers reach the API. */
  PUBLIC_URL: z
    .string()
    .regex(/^https?:\/\/[^/?#\s]+$/, "is an origin as in https://api.example.com")
    .optional(),
  /** Newest first: the first signs, all of them verify. */
  SECRET_KEYS: secrets((key) => key.length >= 32, "each has at least 32 characters"),
  STRIPE_SECRET_KEY: z
    .string()
    .regex(/^(?:sk|rk)_(?:test|live)_\w+$/, "begins with sk_test_, sk_live_, rk_test_ or rk_live_")
    .optional(),
  /** Two while one is being rolled. */
  STRIPE_WEBHOOK_SECRET: secrets(
    (secret) => /^whsec_\S{16,}$/.test(secret),
    "each begins with whsec_",
  ).optional(),
  STRIPE_PORTAL_CONFIGURATION: z
    .string()
    .regex(/^bpc_\w+$/, "begins with bpc_")
    .optional(),
  STRIPE_API_URL: apiUrl,
  LEMONSQUEEZY_API_KEY: z.string().min(16, "has at least 16 characters").optional(),
  LEMONSQUEEZY_STORE_ID: z
    .string()
    .regex(/^\d{1,18}$/, "is the number of the store")
    .optional(),
  LEMONSQUEEZY_WEBHOOK_SECRET: secrets(
    (secret) => secret.length >= 6 && secret.length <= 40,
    "each has 6 to 40 characters",
  ).optional(),
  LEMONSQUEEZY_API_URL: apiUrl,
  ZARINPAL_MERCHANT_ID: z
    .string()
    .regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, "is a UUID in lower case")
    .optional(),
  ZARINPAL_ACCESS_TOKEN: z.string().min(16, "has at least 16 characters").optional(),
  ZARINPAL_API_URL: apiUrl,
});
export type PaymentSettings = z.infer<typeof PaymentSettings>;

/** What is of no use without the other. */
const needs: [keyof PaymentSettings, keyof PaymentSettings][] = [
  ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"],
  ["STRIPE_WEBHOOK_SECRET", "STRIPE_SECRET_KEY"],
  ["STRIPE_PORTAL_CONFIGURATION", "STRIPE_SECRET_KEY"],
  ["LEMONSQUEEZY_API_KEY", "LEMONSQUEEZY_STORE_ID"],
  ["LEMONSQUEEZY_API_KEY", "LEMONSQUEEZY_WEBHOOK_SECRET"],
  ["LEMONSQUEEZY_STORE_ID", "LEMONSQUEEZY_API_KEY"],
  ["LEMONSQUEEZY_WEBHOOK_SECRET", "LEMONSQUEEZY_API_KEY"],
  ["ZARINPAL_ACCESS_TOKEN", "ZARINPAL_MERCHANT_ID"],
];
const apiUrls = ["STRIPE_API_URL", "LEMONSQUEEZY_API_URL", "ZARINPAL_API_URL"] as const;

/**
 * What one variable can't say alone, for `superRefine`: half a provider, a key of the other mode,
 * an open line to a provider in live mode. A deployment with such a fault doesn't start.
 */
export function checkPaymentSettings(
  settings: PaymentSettings & { DUCAT_MODE: Mode },
  context: z.RefinementCtx,
): void {
  const { DUCAT_MODE: mode } = settings;
  const refuse = (name: keyof PaymentSettings, message: string) =>
    context.addIssue({ code: "custom", path: [name], message });
  if (mode === "live" && settings.PUBLIC_URL === undefined) {
    refuse("PUBLIC_URL", "is needed in live mode");
  }
  for (const [name, other] of needs) {
    const isAlone = settings[name] !== undefined && settings[other] === undefined;
    if (isAlone) refuse(other, `is needed with ${name}`);
  }
  const prefix = /^(?:sk|rk)_(test|live)_/.exec(settings.STRIPE_SECRET_KEY ?? "")?.[1];
  if (prefix !== undefined && prefix !== mode) {
    refuse("STRIPE_SECRET_KEY", "belongs to the other mode (see DUCAT_MODE)");
  }
  for (const name of mode === "live" ? apiUrls : []) {
    const isOpen = settings[name]?.startsWith("http:");
    if (isOpen) refuse(name, "begins with https:// in live mode");
  }
}
