import { z } from "zod";
import { Count, defineKind } from "../letter.ts";

/** Sent when fewer credits are left than the account has said. */
export const creditsLow = defineKind({
  data: z.object({ available: Count, threshold: Count }),
  en: ({ available }, { credits }) => ({
    subject: "Your credits are running low",
    paragraphs: [`You have ${credits(available)} left.`, "You can buy more at any time."],
    sms: `You have ${credits(available)} left.`,
  }),
  fa: ({ available }, { credits }) => ({
    subject: "اعتبار شما رو به پایان است",
    paragraphs: [
      `${credits(available)} برای شما باقی مانده است.`,
      "هر زمان بخواهید می‌توانید اعتبار بیشتری بخرید.",
    ],
    sms: `${credits(available)} برای شما باقی مانده است.`,
  }),
});
