import type { EntitledFeature, Entitlements } from "@ducat/db/entitlements";
import { describe, expect, it } from "vitest";
import { refusalOf } from "../../db/test/outcome.ts";
import { limit } from "../test/stage.ts";
import { checkFeature } from "./check-feature.ts";
import {
  type AskedGeneration,
  mayBeFree,
  quoteGeneration,
  takesQuota,
} from "./quote-generation.ts";

const period = {
  period_start: "2026-11-01T00:00:00+00:00",
  resets_at: "2026-12-01T00:00:00+00:00",
};
type Feature = Record<string, unknown>;
const counted = (most: number | null, used: number, more: Feature = {}): Feature => ({
  ...limit(most),
  ...period,
  ...{ used, source: "plan" },
  ...more,
});

const make = (
  features: Record<string, Feature>,
  more: Partial<Entitlements> = {},
): Entitlements => ({
  ...{ account_id: "a", kind: "user", now: "2026-11-20T23:30:00.5+00:00", offset_s: 0 },
  ...{ plan: null, status: "none", trial: null, period: null, cancel_at: null, passes: [] },
  ...{ rate_limits: {}, limits: {}, upgrade: { designs: "pro" }, next_change_at: null },
  features: features as Record<string, EntitledFeature>,
  ...more,
});

const quote = (
  entitlements: Entitlements,
  asked: Partial<AskedGeneration> & { price?: number } = {},
) => {
  const { style = "modern", items = 1, price = 4, ...more } = asked;
  return quoteGeneration(entitlements, { style, items, ...more }, async () => price);
};

const free = (most: number | null, used: number, more: Feature = {}) =>
  counted(most, used, { free_styles: ["modern"], ...more });
const took = { feature: "designs", amount: 1, limit: 5, ...period, upgrade: "pro" };

describe("the quote of a generation", () => {
  it("is the style's price and takes nothing where the plan says nothing", async () => {
    const nothing = { unitCost: undefined, usage: null };
    expect(await quote(make({}))).toEqual(nothing);
    expect(await quote(make({ designs: counted(5, 0) }))).toEqual(nothing);
    expect(await quote(make({ designs: free(5, 0) }), { style: "other" })).toEqual(nothing);
  });

  it("is free while a limit of free styles has room for all of it", async () => {
    const plan = make({ designs: free(5, 3) });
    expect(await quote(plan, { items: 2 })).toEqual({ unitCost: 0, usage: [took] });
    expect(await quote(plan, { items: 3 })).toEqual({ unitCost: undefined, usage: null });
    expect(mayBeFree(plan, { style: "modern", items: 9 })).toBe(true);
    expect(mayBeFree(plan, { style: "other", items: 9 })).toBe(false);
    const endless = await quote(make({ designs: free(null, 99) }));
    expect(endless).toMatchObject({ unitCost: 0, usage: [{ limit: null }] });
  });

  it("leaves it to the counter to refuse where nobody may go on by paying", async () => {
    const plan = make({ designs: free(5, 5, { beyond: "refuse" }) });
    expect(await quote(plan)).toEqual({ unitCost: 0, usage: [took] });
    const both = make({ designs: free(5, 5, { beyond: "refuse" }), more: free(9, 1) });
    expect(await quote(both)).toMatchObject({ unitCost: 0, usage: [{ feature: "more" }] });
  });

  it("takes one per item of a limit of styles, at their price", async () => {
    const plan = make({ designs: counted(5, 0, { styles: ["*"] }) });
    const found = await quote(plan, { items: 2 });
    expect(found).toEqual({ unitCost: undefined, usage: [took] });
    expect(takesQuota(found)).toBe(true);
  });

  it("refuses what one request may not ask for", async () => {
    const plan = make({ designs: counted(3, 0, { styles: ["*"], period: "request" }) });
    expect(await quote(plan, { items: 3 })).toEqual({ unitCost: undefined, usage: null });
    expect(await refusalOf(quote(plan, { items: 4 }))).toEqual({
      ...{ code: "quota_exceeded", quota: "designs", limit: 3, current: 0, resets_at: null },
      upgrade: "pro",
    });
  });

  it("limits areas in the requests that have them, and no other items", async () => {
    const areas = { styles: ["*"], period: "request", of: "areas" };
    const plan = make({ designs: counted(3, 0, areas) });
    expect((await quote(plan, { items: 3, areas: 3 })).usage).toBe(null);
    expect(await refusalOf(quote(plan, { items: 4, areas: 4 }))).toMatchObject({
      ...{ code: "quota_exceeded", quota: "designs", limit: 3 },
    });
    expect((await quote(plan, { items: 500 })).usage).toBe(null);
  });

  it("has the plan's limits of work, the credits of a day by the account's own time", async () => {
    const limits = { running: 2, open_items: 10, daily_credits: 100, retention_days: 7 };
    const found = await quote(make({}, { limits }));
    expect(found).toEqual({
      unitCost: 4,
      usage: [
        {
          ...{ feature: "_open_items", amount: 1, limit: 10 },
          period_start: "-infinity",
          until: "end",
        },
        {
          ...{ feature: "_credits_day", amount: 4, limit: 100 },
          ...{ period_start: "2026-11-20T00:00:00.000Z", resets_at: "2026-11-21T00:00:00.000Z" },
        },
        { feature: "_running", amount: 0, limit: 2 },
      ],
    });
    expect(takesQuota(found)).toBe(false);
    const { usage } = await quote(make({ designs: free(5, 0) }, { limits }));
    expect(usage?.map(({ feature }) => feature)).toEqual(["designs", "_open_items", "_running"]);
  });

  it("counts a pass that is bound to a subject for that subject only, under no override", async () => {
    const pass = {
      ...{ id: "p", product: "per_property", subject: "12 Elm St" },
      ...{ starts_at: "2026-11-01T00:00:00Z", ends_at: "2026-12-01T00:00:00Z" },
      features: { designs: limit(20), commercial: { ...limit(0), kind: "flag", enabled: true } },
    };
    const flag = { kind: "flag", name: {}, position: 2, enabled: false, source: "plan" };
    const plan = make({ designs: free(0, 0), commercial: flag }, { passes: [pass as never] });
    expect(await quote(plan)).toMatchObject({ unitCost: undefined });
    expect(await quote(plan, { subject: "1 Oak St" })).toMatchObject({ unitCost: undefined });
    const bound = await quote(plan, { subject: "12 Elm St" });
    expect(bound).toMatchObject({ unitCost: 0, usage: [{ limit: 20 }] });
    const commercial = { feature: "commercial", amount: 1 };
    expect(checkFeature(plan, commercial).allowed).toBe(false);
    expect(checkFeature(plan, { ...commercial, subject: "12 Elm St" }).allowed).toBe(true);
    const overridden = make(
      { designs: free(0, 0, { source: "override" }) },
      { passes: [pass as never] },
    );
    expect(await quote(overridden, { subject: "12 Elm St" })).toMatchObject({ usage: null });
  });
});

describe("a check", () => {
  const at = (feature: Feature, amount: number) =>
    checkFeature(make({ designs: feature }), { feature: "designs", amount });

  it("says what is left of a limit, and who allows more when it is not enough", () => {
    const { resets_at } = period;
    const about = { quota: "designs", limit: 5, current: 3, resets_at };
    expect(at(counted(5, 3), 2)).toEqual({ allowed: true, ...about });
    expect(at(counted(5, 3), 3)).toEqual({ allowed: false, ...about, upgrade: "pro" });
    expect(at(counted(null, 3), 1_000)).toMatchObject({ allowed: true, limit: null });
  });

  it("says what is left of a stock that is spent, and whether a flag is on", () => {
    const stock = { kind: "stock", counts: "spent", granted: 12, remaining: 2, source: "plan" };
    expect(at(stock, 2)).toMatchObject({ allowed: true, limit: 12, current: 10 });
    expect(at(stock, 3)).toMatchObject({ allowed: false, upgrade: "pro" });
    const flag = (enabled: boolean) => ({ kind: "flag", enabled, source: "plan" });
    expect(at(flag(true), 1)).toMatchObject({ allowed: true, limit: null, current: 0 });
    expect(at(flag(false), 1)).toMatchObject({ allowed: false, limit: 0, current: 0 });
  });

  it("knows no feature that nobody has named, nor what every object has", () => {
    for (const feature of ["other", "constructor", "__proto__"]) {
      expect(() => checkFeature(make({}), { feature, amount: 1 })).toThrow(
        "There is nothing here.",
      );
    }
  });
});
