import { z } from "zod";
import { isolate } from "../formats.ts";
import { At, defineKind, Line } from "../letter.ts";

/** Sent when events are no longer sent to an endpoint of the account's, by its host. */
export const webhookDisabled = defineKind({
  data: z.object({ host: Line, reason: z.string().nullish(), failing_since: At.nullish() }),
  en({ host, reason, failing_since }, { time }) {
    const [at, short] = [isolate(host, "en"), isolate(cut(host), "en")];
    const since = failing_since ? ` since ${time(failing_since)}` : "";
    const why =
      reason === "gone"
        ? "It answered that it is gone for good (410)."
        : `Nothing could be delivered there${since}.`;
    return {
      subject: "A webhook of yours was switched off",
      paragraphs: [
        `No events are sent to ${at} any more. ${why}`,
        "Switch it on again when it works; what it missed can be sent again for 30 days.",
      ],
      sms: `Webhook switched off: no events are sent to ${short} any more.`,
    };
  },
  fa({ host, reason, failing_since }, { time }) {
    const [at, short] = [isolate(host, "fa"), isolate(cut(host), "fa")];
    const since = failing_since ? `از ${time(failing_since)} ` : "";
    const why =
      reason === "gone"
        ? "این نشانی پاسخ داد که برای همیشه برداشته شده است."
        : `${since}هیچ رویدادی به آن تحویل نشد.`;
    return {
      subject: "یکی از وب‌هوک‌های شما خاموش شد",
      paragraphs: [
        `دیگر رویدادی به ${at} فرستاده نمی‌شود. ${why}`,
        "پس از رفع مشکل آن را دوباره روشن کنید.",
        "رویدادهای ازدست‌رفته را تا ۳۰ روز می‌توانید دوباره بفرستید.",
      ],
      sms: `وب‌هوک خاموش شد: دیگر رویدادی به ${short} فرستاده نمی‌شود.`,
    };
  },
});

/** A host may have 253 characters, a text message a few words. */
const cut = (host: string): string => (host.length > 60 ? `${host.slice(0, 59)}…` : host);
