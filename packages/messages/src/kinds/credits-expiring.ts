import { z } from "zod";
import { At, Count, defineKind } from "../letter.ts";

/** Sent before credits expire; `expires_at` is the first moment at which some of them do. */
export const creditsExpiring = defineKind({
  data: z.object({ amount: Count, expires_at: At }),
  en: ({ amount, expires_at }, { credits, time }) => ({
    subject: "Credits of yours are about to expire",
    paragraphs: [`${credits(amount)} of yours can be used until ${time(expires_at)}.`],
    sms: `${credits(amount)} of yours can be used until ${time(expires_at)}.`,
  }),
  fa: ({ amount, expires_at }, { credits, time }) => ({
    subject: "بخشی از اعتبار شما به‌زودی منقضی می‌شود",
    paragraphs: [`${credits(amount)} شما تا ${time(expires_at)} قابل استفاده است.`],
    sms: `${credits(amount)} شما تا ${time(expires_at)} قابل استفاده است.`,
  }),
});
