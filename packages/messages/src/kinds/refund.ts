import { z } from "zod";
import { Count, defineKind, Price } from "../letter.ts";

/** Sent when money has gone back; `credits` is what was taken back for it. */
export const refund = defineKind({
  data: z.object({ payment_id: z.uuid(), ...Price, credits: Count }),
  en: (data, { money, credits }) => ({
    subject: `Refund: ${money(data)}`,
    paragraphs: [
      `We have refunded ${money(data)}. It may take some days until your bank shows it.`,
      ...(data.credits > 0 ? [`For this, ${credits(data.credits)} have been taken back.`] : []),
    ],
    sms: `Refunded: ${money(data)}. It may take some days until your bank shows it.`,
  }),
  fa: (data, { money, credits }) => ({
    subject: `بازگشت وجه: ${money(data)}`,
    paragraphs: [
      `مبلغ ${money(data)} به شما بازگردانده شد. نشستن آن به حساب بانکی ممکن است چند روز طول بکشد.`,
      ...(data.credits > 0 ? [`در برابر آن، ${credits(data.credits)} از حساب شما کم شد.`] : []),
    ],
    sms: `بازگشت وجه: ${money(data)}. واریز به حساب بانکی ممکن است چند روز طول بکشد.`,
  }),
});
