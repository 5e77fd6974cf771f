import { describe, expect, it } from "vitest";
import { parseCatalog, toRows } from "./catalog.ts";

const texts = { name: { en: "A" }, description: { en: "A" } };
const free = { key: "free", kind: "plan", ...texts, is_default: true };
const usd = { currency: "USD", interval: "once", amount: 500 };
const pack = { key: "pack", kind: "pack", ...texts, credits: 10, prices: [usd] };
const plan = { key: "pro", kind: "plan", ...texts, prices: [{ ...usd, interval: "month" }] };
const pass = { key: "week", kind: "pass", ...texts, credits: 1, valid_days: 7, prices: [usd] };
const features = {
  scheduling: { kind: "flag", name: { en: "S" } },
  letters: { kind: "limit", name: { en: "L" }, period: "month" },
  pictures: { kind: "stock", name: { en: "P" }, counts: "held" },
  stamps: { kind: "stock", name: { en: "T" }, counts: "spent" },
};
const catalog = (...products: object[]) => ({ catalog: "shop", features, products });

/** A change of one product, and the fault that it makes. */
type Case = [what: string, product: object, fault: string];
const price = (change: object) => ({ ...pack, prices: [{ ...usd, ...change }] });
const cases: Case[] = [
  ["a negative amount", price({ amount: -500 }), ".prices[0].amount: "],
  ["an amount of nothing", price({ amount: 0 }), ".prices[0].amount: "],
  ["a huge amount", price({ amount: 1_000_000_000_001 }), ".prices[0].amount: "],
  ["a fraction", price({ amount: 9.99 }), ".prices[0].amount: "],
  ["an amount as text", price({ amount: "500" }), ".prices[0].amount: "],
  ["an unknown currency", price({ currency: "usd" }), ".prices[0].currency: is no currency"],
  ["a provider that is none", price({ provider: "paypal" }), ".prices[0].provider: "],
  ["a month of a pack", price({ interval: "month" }), ".prices[0].interval: of a pack is once"],
  [
    "a plan that is paid once",
    { ...plan, prices: [usd] },
    ".prices[0].interval: of a plan is month or year",
  ],
  [
    "two prices for the same",
    { ...pack, prices: [usd, { ...usd, amount: 600 }] },
    ".prices[1]: is the second one for its provider, currency and interval",
  ],
  [
    "dollars at ZarinPal",
    price({ provider: "zarinpal" }),
    ".prices[0].currency: of zarinpal is IRR",
  ],
  [
    "rials at Stripe",
    price({ provider: "stripe", currency: "IRR" }),
    ".prices[0].currency: is not",
  ],
  [
    "a variant that is missing",
    price({ provider: "lemonsqueezy" }),
    ".prices[0].ref: is the number",
  ],
  ["a reference to nobody's price", price({ ref: "p" }), ".prices[0].provider: is missing"],
  ["no price", { ...pack, prices: [] }, ".prices: are missing"],
  ["a pack of nothing", { ...pack, credits: 0 }, ".credits: are missing"],
  ["negative credits", { ...pack, credits: -10 }, ".credits: "],
  ["too many credits", { ...pack, credits: 1e12, bonus: 1 }, ".bonus: makes it over"],
  ["a field of another kind", { ...pack, rollover: "full" }, ': Unrecognized key: "rollover"'],
  ["no kind", { ...pack, kind: "bundle" }, ".kind: "],
  ["a key with spaces", { ...pack, key: "a b" }, ".key: 1 to 50 of"],
  ["no English", { ...pack, name: { fa: "الف" } }, ".name: has no text in English"],
  ["a pass without an end", { ...pass, valid_days: undefined }, ".valid_days: "],
  ["a cap of nothing", { ...plan, rollover_cap: 5 }, ".rollover_cap: goes with"],
  ["a roll-over without its cap", { ...plan, rollover: "capped" }, ".rollover_cap: goes with"],
  ["a trial's credits for no days", { ...plan, trial_credits: 5 }, ".trial_days: are missing"],
  ["an unknown feature", { ...plan, features: { faxes: 5 } }, ".features.faxes: is not among"],
  ["a flag that is a number", { ...plan, features: { scheduling: 5 } }, ".features.scheduling: is"],
  [
    "a limit that is a flag",
    { ...plan, features: { letters: true } },
    ".features.letters: is a num",
  ],
  ["a stock that is bought", { ...plan, features: { stamps: 5 } }, ".features.stamps: is given by"],
  [
    "an allowance of a limit",
    { ...pack, allowances: { letters: 5 } },
    ".allowances.letters: is no",
  ],
];

describe("parseCatalog", () => {
  it.each(cases)("names the place of %s", (_, product, fault) => {
    expect(() => parseCatalog(catalog(free, product))).toThrow(`products[1]${fault}`);
  });

  it("lets the gallery's pictures be nothing but a stock that is held", () => {
    const parse = (gallery_images: object) =>
      parseCatalog({
        ...catalog(free),
        features: { gallery_images: { name: { en: "P" }, ...gallery_images } },
      });
    const fault = "features.gallery_images: is a stock that is held";
    expect(() => parse({ kind: "flag" })).toThrow(fault);
    expect(() => parse({ kind: "stock", counts: "spent" })).toThrow(fault);
    expect(() => parse({ kind: "stock", counts: "held" })).not.toThrow();
  });

  it("asks for one default plan for users and one for vendors", () => {
    const fault = (...products: object[]) => {
      try {
        parseCatalog(catalog(...products));
      } catch (error) {
        return (error as Error).message.split("\n").slice(1);
      }
      return [];
    };
    expect(fault(pack)).toHaveLength(2);
    const forUsers = { ...free, audience: "user" };
    expect(fault(forUsers)).toEqual([
      "  products: have one default plan for each vendor, not none",
    ]);
    const forAll = { ...free, key: "basic" };
    expect(fault(forUsers, forAll)).toEqual([
      "  products: have one default plan for each user, not free and basic",
    ]);
    expect(fault(forUsers, { ...forAll, audience: "vendor" })).toEqual([]);
    expect(fault({ ...free, prices: [{ ...usd, interval: "month" }] })).toEqual([
      "  products[0].prices: are none for the default plan",
    ]);
  });

  const limits: [what: string, limit: object, fault: string | undefined][] = [
    ["free styles, refused beyond", { free_styles: ["*"], beyond: "refuse" }, undefined],
    ["styles that are paid for", { period: "day", styles: ["a", "b"] }, undefined],
    ["items of a request", { period: "request", styles: ["*"] }, undefined],
    ["areas of a request", { period: "request", styles: ["*"], of: "areas" }, undefined],
    ["areas of a day", { period: "day", styles: ["*"], of: "areas" }, "of: goes with styles"],
    ["areas of no style", { period: "request", of: "areas" }, "of: goes with styles"],
    ["a month from its anchor", { reset: "anchor" }, undefined],
    ["a day from an anchor", { period: "day", reset: "anchor" }, "reset: of anchor goes with"],
    ["both kinds of styles", { styles: ["a"], free_styles: ["b"] }, "styles: go without"],
    ["free ones of a request", { period: "request", free_styles: ["*"] }, "free_styles: take of"],
    ["a beyond of nothing", { beyond: "pay" }, "beyond: goes with free_styles"],
    ["a beyond that is none", { free_styles: ["*"], beyond: "ask" }, "beyond: "],
    ["no style", { styles: [] }, "styles: "],
  ];
  it.each(limits)("takes a limit with %s, or says what is wrong", (_, limit, fault) => {
    const letters = { ...features.letters, ...limit };
    const parse = () => parseCatalog({ ...catalog(free), features: { letters } });
    if (fault === undefined) expect(parse().features.letters).toMatchObject(limit);
    else expect(parse).toThrow(`features.letters.${fault}`);
  });

  const work: [limits: object, fault: string | undefined][] = [
    [{ running: 2, open_items: 50, daily_credits: 500, retention_days: 30 }, undefined],
    [{}, undefined],
    [{ running: 0 }, "running: "],
    [{ retention_days: 1.5 }, "retention_days: "],
    [{ daily_credit: 5 }, ' Unrecognized key: "daily_credit"'],
  ];
  it.each(work)("takes a plan's limits %j, or says what is wrong", (limits, fault) => {
    const parse = () => parseCatalog(catalog(free, { ...plan, limits }));
    if (fault === undefined) {
      expect(toRows(parse(), "test").products[1]).toMatchObject({ limits });
    } else expect(parse).toThrow(fault);
  });

  it("names all faults at once", () => {
    const broken = catalog(free, price({ amount: -1 }), { ...plan, key: "" });
    expect(() => parseCatalog(broken)).toThrow(/products\[1\].*products\[2\]/s);
    expect(() => parseCatalog(catalog(free, pack, pack))).toThrow("products[2].key: is used twice");
    expect(() => parseCatalog([])).toThrow("(all of it): ");
  });
});

describe("toRows", () => {
  const rowsOf = (product: object, mode: "test" | "live" = "test") =>
    toRows(parseCatalog(catalog(free, product)), mode).products[1];

  it("gives a plan every feature, off where it says nothing", () => {
    const row = rowsOf({ ...plan, features: { letters: null }, allowances: { stamps: 2 } });
    expect(row?.features).toEqual({
      scheduling: { ...features.scheduling, enabled: false, position: 0 },
      letters: { ...features.letters, reset: "calendar", limit: null, position: 1 },
      pictures: { ...features.pictures, limit: 0, position: 2 },
      stamps: { ...features.stamps, position: 3 },
    });
    expect(row).toMatchObject({ allowances: { stamps: 2 }, grace_days: 7, position: 1 });
  });

  it("gives a pass its own features only, and a pack none", () => {
    const row = rowsOf({ ...pass, features: { scheduling: true }, needs_subject: true });
    expect(Object.keys(row?.features ?? {})).toEqual(["scheduling"]);
    expect(row).toMatchObject({ valid_days: 7, needs_subject: true });
    expect(rowsOf({ ...pack, bonus: 2 })).toMatchObject({ features: {}, bonus: 2, credits: 10 });
  });

  it("takes a provider's reference of its own mode, and leaves out a price without one", () => {
    const both = price({ provider: "lemonsqueezy", ref: { test: "1", live: "2" } });
    expect(rowsOf(both, "test")?.prices).toMatchObject([{ provider_ref: "1" }]);
    expect(rowsOf(both, "live")?.prices).toMatchObject([{ provider_ref: "2" }]);
    expect(rowsOf(price({ provider: "stripe", ref: { live: "p" } }))?.prices).toEqual([]);
    expect(rowsOf(price({ provider: "stripe" }))?.prices).toMatchObject([{ provider_ref: null }]);
  });
});
