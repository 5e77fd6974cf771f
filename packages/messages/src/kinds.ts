import { creditsExpiring } from "./kinds/credits-expiring.ts";
import { creditsLow } from "./kinds/credits-low.ts";
import { loginChanged } from "./kinds/login-changed.ts";
import { loginCode } from "./kinds/login-code.ts";
import { loginExists } from "./kinds/login-exists.ts";
import { passEnding } from "./kinds/pass-ending.ts";
import { passwordChanged } from "./kinds/password-changed.ts";
import { paymentFailed } from "./kinds/payment-failed.ts";
import { quotaReached, quotaWarning } from "./kinds/quota.ts";
import { receipt } from "./kinds/receipt.ts";
import { refund } from "./kinds/refund.ts";
import { reloadDisabled } from "./kinds/reload-disabled.ts";
import { reloadNeedsCustomer } from "./kinds/reload-needs-customer.ts";
import { renewalDue } from "./kinds/renewal-due.ts";
import { resetPassword } from "./kinds/reset-password.ts";
import { subscriptionEnded } from "./kinds/subscription-ended.ts";
import { verifyEmail } from "./kinds/verify-email.ts";
import { webhookDisabled } from "./kinds/webhook-disabled.ts";
import type { Kind } from "./letter.ts";

/** Every kind of message by the name that it is queued with. A new one is a file and a line. */
export const kinds: ReadonlyMap<string, Kind> = new Map(
  Object.entries({
    credits_expiring: creditsExpiring,
    credits_low: creditsLow,
    login_changed: loginChanged,
    login_code: loginCode,
    login_exists: loginExists,
    pass_ending: passEnding,
    password_changed: passwordChanged,
    payment_failed: paymentFailed,
    quota_reached: quotaReached,
    quota_warning: quotaWarning,
    receipt,
    refund,
    reload_disabled: reloadDisabled,
    reload_needs_customer: reloadNeedsCustomer,
    renewal_due: renewalDue,
    reset_password: resetPassword,
    subscription_ended: subscriptionEnded,
    verify_email: verifyEmail,
    webhook_disabled: webhookDisabled,
  }),
);
