/** Data of each kind, as the database queues it. */
export const samples: Record<string, Record<string, unknown>> = {
  pass_ending: {
    product: { en: "7-day pass", fa: "گذر ۷ روزه" },
    subject: "house 12",
    ends_at: "2026-11-27T21:30:00.123456+00:00",
  },
  payment_failed: {
    product: { en: "Monthly Pro", fa: "ماهانهٔ حرفه‌ای" },
    amount: 2_900,
    currency: "USD",
    next_attempt_at: "2026-11-23T00:00:00+00:00",
  },
  receipt: {
    payment_id: "01a3c5e7-9b1d-7f3a-8c5e-7092b4d6f8a1",
    reference: "k3Vb9fJ2nQx8Rt5LmZp0",
    purpose: "pack",
    product: { en: "Pack of 50", fa: "بستهٔ ۵۰تایی" },
    credits: 50,
    amount: 5_000_000,
    currency: "IRR",
    paid_at: "2026-11-20T21:30:00.123456+00:00",
    receipt_ref: "201",
    card_mask: "603799******1234",
  },
  refund: {
    payment_id: "01a3c5e7-9b1d-7f3a-8c5e-7092b4d6f8a1",
    amount: 450,
    currency: "EUR",
    credits: 25,
  },
  reload_disabled: { reason: "failures" },
  reload_needs_customer: {
    reference: "k3Vb9fJ2nQx8Rt5LmZp0",
    amount: 5_000_000,
    currency: "IRR",
    credits: 50,
    code: "authentication_required",
  },
  renewal_due: {
    reference: "k3Vb9fJ2nQx8Rt5LmZp0",
    product: { en: "Basic", fa: "پایه" },
    amount: 50_000,
    currency: "IRR",
    due_at: "2026-12-01T08:00:00+00:00",
  },
  subscription_ended: { product: { en: "Basic", fa: "پایه" } },
};
