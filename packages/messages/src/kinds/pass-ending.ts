import { z } from "zod";
import { isolate } from "../formats.ts";
import { At, defineKind, Line, ProductName } from "../letter.ts";

/** Sent before a pass ends; `subject` is what it is bound to. */
export const passEnding = defineKind({
  data: z.object({ product: ProductName, subject: Line.nullish(), ends_at: At }),
  en({ product, subject, ends_at }, { name, time }) {
    const pass = name(product) + (subject ? ` for ${isolate(subject, "en")}` : "");
    return {
      subject: `${name(product)} is ending`,
      paragraphs: [
        `Your pass ${pass} ends on ${time(ends_at)}.`,
        "You can buy another at any time.",
      ],
      sms: `Your pass ${pass} ends on ${time(ends_at)}.`,
    };
  },
  fa({ product, subject, ends_at }, { name, time }) {
    const pass = name(product) + (subject ? ` برای ${isolate(subject, "fa")}` : "");
    return {
      subject: `${name(product)} رو به پایان است`,
      paragraphs: [
        `${pass} در ${time(ends_at)} به پایان می‌رسد.`,
        "هر زمان بخواهید می‌توانید دوباره آن را بخرید.",
      ],
      sms: `${pass} در ${time(ends_at)} به پایان می‌رسد.`,
    };
  },
});
