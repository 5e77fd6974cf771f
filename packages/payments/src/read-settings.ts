import type { Mode } from "@ducat/billing/provider";
import { z } from "zod";
import { checkPaymentSettings, PaymentSettings } from "./settings.ts";

/**
 * The settings of the payment flows alone, for commands; an empty variable counts as unset. Throws
 * an Error that names every fault at once, without repeating values: some are secret.
 */
export function readPaymentSettings(
  source: Record<string, string | undefined>,
  mode: Mode,
): PaymentSettings {
  const given = Object.entries(source).filter(([, value]) => value?.trim());
  const Settings = PaymentSettings.superRefine((settings, context) =>
    checkPaymentSettings({ ...settings, DUCAT_MODE: mode }, context),
  );
  const parsed = Settings.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  throw new Error(`The environment is not complete:\n${z.prettifyError(parsed.error)}`);
}
