import { z } from "zod";
import { defineKind } from "../letter.ts";

/** Sent when auto-reload was switched off by us. */
export const reloadDisabled = defineKind({
  data: z.object({ reason: z.string().nullish() }),
  en: ({ reason }) => ({
    subject: "Automatic reload is switched off",
    paragraphs: [
      `Automatic reload is switched off${reasons.en[reason ?? ""] ?? ""}.`,
      "Your credits are not touched by this. You can switch it on again in your account.",
    ],
    sms: `Automatic reload is switched off${reasons.en[reason ?? ""] ?? ""}.`,
  }),
  fa: ({ reason }) => ({
    subject: "شارژ خودکار خاموش شد",
    paragraphs: [
      `شارژ خودکار حساب شما${reasons.fa[reason ?? ""] ?? ""} خاموش شد.`,
      "اعتبار شما دست‌نخورده است. هر زمان بخواهید می‌توانید آن را دوباره روشن کنید.",
    ],
    sms: `شارژ خودکار حساب شما${reasons.fa[reason ?? ""] ?? ""} خاموش شد.`,
  }),
});

/** Without a reason that is named here, the sentence stands without one. */
const reasons: Record<"en" | "fa", Record<string, string>> = {
  en: {
    failures: " because three payments in a row did not succeed",
    method_removed: " because the saved card has been removed",
    customer_removed: " because the saved card has been removed",
    price_retired: " because its pack is no longer sold",
  },
  fa: {
    failures: " پس از سه پرداخت ناموفق پیاپی",
    method_removed: " به دلیل حذف کارت ذخیره‌شده",
    customer_removed: " به دلیل حذف کارت ذخیره‌شده",
    price_retired: " چون بستهٔ آن دیگر فروخته نمی‌شود",
  },
};
