import { randomUUID } from "node:crypto";
import type { Db } from "@ducat/db/connect";
import type { Offer } from "@ducat/db/offers";
import { describe, expect, it } from "vitest";
import { chooseOffer, type Wish } from "./choose-offer.ts";
import { createProviders } from "./providers.ts";

/** Every provider, as a deployment in test mode makes them; nobody is asked anything. */
const all = createProviders(
  {
    STRIPE_SECRET_KEY: "sk_test_abc",
    STRIPE_WEBHOOK_SECRET: ["whsec_0123456789abcdef"],
    LEMONSQUEEZY_API_KEY: "k".repeat(40),
    LEMONSQUEEZY_STORE_ID: "1",
    LEMONSQUEEZY_WEBHOOK_SECRET: ["secret"],
    ZARINPAL_MERCHANT_ID: "11111111-2222-3333-4444-555555555555",
  },
  {
    db: undefined as unknown as Db,
    mode: "test",
    publicUrl: "http://a.test",
    secretKeys: ["s".repeat(32)],
  },
);
const only = (...names: string[]) => new Map([...all].filter(([name]) => names.includes(name)));

const offer = (more: Partial<Offer> = {}): Offer => ({
  price_id: randomUUID(),
  provider: null,
  currency: "USD",
  interval: "once",
  amount: 900,
  provider_ref: null,
  product_id: randomUUID(),
  product: "pack",
  kind: "pack",
  name: { en: "Pack" },
  credits: 100,
  trial_days: 0,
  needs_subject: false,
  ...more,
});
const plan = (more: Partial<Offer> = {}) => offer({ kind: "plan", interval: "month", ...more });
const choose = (offers: Offer[], wish: Wish = {}, providers = all, locale = "en") => {
  const chosen = chooseOffer(offers, { providers, locale }, wish);
  return [chosen.provider.name, chosen.offer] as const;
};
const refusalOf = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    const { code, detail } = error as { code: string; detail: { errors?: { pointer: string }[] } };
    return [code, detail.errors?.[0]?.pointer];
  }
  throw new Error("nothing was refused");
};

describe("chooseOffer", () => {
  it("takes a provider that takes the currency", () => {
    expect(choose([offer()])[0]).toBe("stripe");
    expect(choose([offer({ currency: "IRR" })])[0]).toBe("zarinpal");
    const rials = [offer({ currency: "IRR" })];
    expect(choose(rials, {}, only("stripe", "sandbox"))[0]).toBe("sandbox");
    expect(refusalOf(() => choose(rials, {}, only("stripe")))).toEqual([
      "validation_failed",
      "/provider",
    ]);
  });

  it("takes none that would need a price of its own and has none", () => {
    expect(choose([offer()], {}, only("lemonsqueezy", "sandbox"))[0]).toBe("sandbox");
    const variant = offer({ provider: "lemonsqueezy", provider_ref: "7" });
    expect(choose([variant])[0]).toBe("lemonsqueezy");
    // A plan at Stripe is a price there; a pack can be priced on the spot.
    expect(choose([plan()], {}, only("stripe", "sandbox"))[0]).toBe("sandbox");
    const price = plan({ provider: "stripe", provider_ref: "price_1" });
    expect(choose([price])[0]).toBe("stripe");
  });

  it("keeps a price to the provider that it names", () => {
    const own = offer({ provider: "zarinpal", currency: "IRR" });
    expect(choose([own])[0]).toBe("zarinpal");
    expect(refusalOf(() => choose([own], { provider: "sandbox" }))[1]).toBe("/provider");
    expect(refusalOf(() => choose([own], {}, only("sandbox")))[1]).toBe("/provider");
  });

  it("does as it is told, and says what can't be done", () => {
    const offers = [offer(), offer({ currency: "IRR" }), offer({ currency: "EUR" })];
    expect(choose(offers, { provider: "sandbox" })[0]).toBe("sandbox");
    expect(choose(offers, { currency: "EUR" })[1].currency).toBe("EUR");
    expect(choose(offers, { provider: "zarinpal" })[1].currency).toBe("IRR");
    expect(refusalOf(() => choose(offers, { currency: "GBP" }))[1]).toBe("/currency");
    expect(refusalOf(() => choose(offers, { interval: "year" }))[1]).toBe("/interval");
    expect(refusalOf(() => choose(offers, { provider: "stripe" }, only("sandbox")))[1]).toBe(
      "/provider",
    );
    expect(refusalOf(() => choose([]))).toEqual(["not_found", undefined]);
    expect(refusalOf(() => choose([offer({ amount: 0 })]))[1]).toBe("/price_id");
  });

  it("sells plans by the period and all else once", () => {
    expect(refusalOf(() => choose([plan({ interval: "once" })]))[1]).toBe("/provider");
    expect(refusalOf(() => choose([offer({ interval: "month" })]))[1]).toBe("/provider");
    const both = [plan({ interval: "year" }), plan({ interval: "month" })];
    expect(choose(both)[1].interval).toBe("month");
    expect(choose(both, { interval: "year" })[1].interval).toBe("year");
    // Without subscriptions of the provider's own, we renew them.
    expect(choose([plan({ currency: "IRR" })], {}, only("zarinpal"))[0]).toBe("zarinpal");
  });

  it("prefers the customer's currency, then a price that is the provider's own", () => {
    const offers = [offer(), offer({ currency: "IRR" })];
    expect(choose(offers)[1].currency).toBe("USD");
    expect(choose(offers, {}, all, "fa-IR")[1].currency).toBe("IRR");
    const own = offer({ provider: "stripe", provider_ref: "price_1" });
    expect(choose([offer(), own])[1]).toBe(own);
  });

  it("takes one that keeps cards where the card shall be kept", () => {
    const wish = { savesMethod: true };
    expect(choose([offer()], wish)[0]).toBe("stripe");
    const variant = offer({ provider: "lemonsqueezy", provider_ref: "7" });
    expect(choose([variant, offer()], wish)[0]).toBe("stripe");
    expect(refusalOf(() => choose([variant], wish))[1]).toBe("/save_card");
  });
});
