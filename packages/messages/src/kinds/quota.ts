import { z } from "zod";
import type { Formats } from "../formats.ts";
import { At, Count, defineKind, ProductName } from "../letter.ts";

const data = z.object({
  /** The feature's, by language. */
  name: ProductName,
  used: Count,
  limit: Count,
  resets_at: At.nullish(),
});

const facts = ({ name, used, limit }: z.output<typeof data>, formats: Formats) => ({
  name: formats.name(name),
  used: formats.number(used),
  limit: formats.number(limit),
});

/** Sent when most of a quota is used. */
export const quotaWarning = defineKind({
  data,
  en(quota, formats) {
    const { name, used, limit } = facts(quota, formats);
    return {
      subject: `${name}: ${used} of ${limit} used`,
      paragraphs: [
        `You have used ${used} of ${limit}: ${name}.`,
        ...(quota.resets_at ? [`It begins anew on ${formats.time(quota.resets_at)}.`] : []),
      ],
      sms: `${name}: ${used} of ${limit} used.`,
    };
  },
  fa(quota, formats) {
    const { name, used, limit } = facts(quota, formats);
    return {
      subject: `${name}: ${used} از ${limit} استفاده شد`,
      paragraphs: [
        `شما ${used} از ${limit} را استفاده کرده‌اید: ${name}.`,
        ...(quota.resets_at ? [`از ${formats.time(quota.resets_at)} دوباره آغاز می‌شود.`] : []),
      ],
      sms: `${name}: ${used} از ${limit} استفاده شد.`,
    };
  },
});

/** Sent when nothing of a quota is left. */
export const quotaReached = defineKind({
  data,
  en(quota, formats) {
    const { name, limit } = facts(quota, formats);
    return {
      subject: `${name}: the limit is reached`,
      paragraphs: [
        `You have used all ${limit}: ${name}.`,
        quota.resets_at
          ? `It begins anew on ${formats.time(quota.resets_at)}; a larger plan gives more now.`
          : "A larger plan gives more.",
      ],
      sms: `${name}: all ${limit} are used.`,
    };
  },
  fa(quota, formats) {
    const { name, limit } = facts(quota, formats);
    return {
      subject: `${name}: سقف استفاده پر شد`,
      paragraphs: [
        `شما همهٔ ${limit} را استفاده کرده‌اید: ${name}.`,
        quota.resets_at
          ? `از ${formats.time(quota.resets_at)} دوباره آغاز می‌شود؛ طرح بزرگ‌تر بیشتر می‌دهد.`
          : "طرح بزرگ‌تر بیشتر می‌دهد.",
      ],
      sms: `${name}: همهٔ ${limit} استفاده شد.`,
    };
  },
});
