import { completeItem } from "@ducat/db/items";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeOffer, makePaid } from "../../../../packages/db/test/billing-factories.ts";
import { rollUpAll } from "../../../../packages/db/test/check-rollups.ts";
import { claim, settle } from "../../test/settle.ts";
import { order, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
let account: string;
let other: string;
const today = new Date().toISOString().slice(0, 10);

beforeAll(async () => {
  stage = await setStage();
  account = await stage.makeAccount();
  other = await stage.makeAccount();
  await stage.call("/v1/credits/consume", {
    account,
    body: { amount: 3, description: "the trial" },
    key: "trial",
  });
  const { price } = await makeOffer(stage.db.admin);
  await makePaid(stage.db.app, account, { priceId: price.id });
  const body = order({ params: { language: "fa", category: "=HYPERLINK()" }, areas: ["a", "b"] });
  const made = await stage.call("/v1/generations", { account, body, key: "one" });
  const item = await claim(stage, account, made.body.id, made.body.items[0].id);
  await completeItem(stage.db.worker, item, {
    output: { kind: "text", text: "A chair." },
    usage: { response_time_ms: 800, provider_cost_micros: 4_000, output_tokens: 40 },
  });
  await settle(stage, account, { ...made.body, items: [made.body.items[1]] }, ["failed"]);
  await rollUpAll(stage.db.worker);
});
afterAll(() => stage.close());

const ask = (query: string, more: Parameters<Stage["call"]>[1] = {}) =>
  stage.call(`/v1/usage/summary${query}`, { account, ...more });
const askAdmin = (query: string, more: Parameters<Stage["call"]>[1] = {}) =>
  stage.call(`/v1/admin/usage${query}`, more);

const sums = {
  items: { completed: 1, failed: 1, canceled: 0, in_batches: 0 },
  failure_rate: 0.5,
  amount: 0,
  credits: { charged: 1, paid_back: 1, consumed: 0 },
  tokens: { input: 0, output: 40 },
  response_ms: { average: 800, p50: 800, p95: 800, max: 800 },
};
const withSpent = { ...sums, credits: { ...sums.credits, consumed: 3 } };

describe("GET /v1/usage/summary", () => {
  it("sums up thirty days by day", async () => {
    const { status, body } = await ask("");
    expect(status).toBe(200);
    const { computed_at, ...rest } = body;
    expect(rest).toEqual({
      from: new Date(Date.parse(today) - 29 * 86_400_000).toISOString().slice(0, 10),
      ...{ to: today, group_by: ["day"], is_truncated: false, pending_days: 0 },
      data: [{ day: today, ...withSpent }],
      total: withSpent,
    });
    expect(computed_at).toMatch(/Z$/);
  });

  it("tells apart by what it is asked for", async () => {
    const { body } = await ask("?group_by=style,language,category");
    expect(body.data).toEqual([
      { style: "modern_minimalist", language: "fa", category: "=HYPERLINK()", ...sums },
    ]);
    expect((await ask("?group_by=model,day")).body.data).toMatchObject([
      { day: today, model: "local" },
    ]);
    expect((await ask("?group_by=feature")).body).toMatchObject({ data: [], total: { amount: 0 } });
  });

  it("is a file where the caller prefers one, safe for spreadsheets", async () => {
    const { status, text, headers } = await ask("?group_by=day,category", {
      headers: { accept: "text/csv" },
    });
    expect(status).toBe(200);
    expect(headers.get("content-disposition")).toBe('attachment; filename="usage.csv"');
    const [head, line, end] = text.split("\r\n");
    expect(head).toMatch(/^day,style,model,feature,language,category,completed,/);
    expect(line).toContain(`${today},,,,,'=HYPERLINK(),1,1,0,0,0.5,`);
    expect(end).toBe("");
  });

  it("shows nothing of another account's", async () => {
    const { body } = await ask("", { account: other });
    expect(body.data).toEqual([]);
    expect(body.total.items).toEqual({ completed: 0, failed: 0, canceled: 0, in_batches: 0 });
    expect(body.total.response_ms.p50).toBeNull();
    expect((await stage.call("/v1/usage/summary")).body.code).toBe("account_required");
  });

  it.each([
    "?group_by=account",
    "?group_by=day,day",
    "?group_by=feature,style",
    "?from=2026-02-30",
    "?from=1969-12-31",
    "?from=2026-11-21&to=2026-11-20",
    "?from=2025-01-01&to=2026-02-05",
    "?from=2026-11-21T00:00:00Z",
    "?days=3",
  ])("refuses %s", async (query) => {
    const { status, body } = await ask(query);
    expect({ status, code: body.code }).toEqual({ status: 422, code: "validation_failed" });
  });
});

describe("GET /v1/admin/usage", () => {
  const money = {
    // One credit of a hundred for 900 cents: nine cents, and 0.4 of a cent to the provider.
    revenue: [{ amount: 9, currency: "USD" }],
    provider_cost: { items: 1, amount_micros: 4_000 },
    margin_micros: 86_000,
  };

  it("shows what a model and a style brought beside what they cost", async () => {
    const { status, body } = await askAdmin("?group_by=model,style");
    expect(status).toBe(200);
    expect(body.data).toEqual([{ model: "local", style: "modern_minimalist", ...sums, ...money }]);
    expect(body.total).toEqual({ ...sums, ...money });
    const { body: byLanguage } = await askAdmin("?group_by=language");
    expect(byLanguage.data).toMatchObject([{ revenue: null, margin_micros: null }]);
  });

  it("is of one account where it is asked for, or by account", async () => {
    const { body } = await askAdmin("?group_by=account");
    expect(body.data).toEqual([{ account_id: account, ...withSpent, ...money }]);
    expect((await askAdmin(`?account=${other}`)).body.data).toEqual([]);
    expect((await askAdmin(`?account=${account}`)).body.data).toHaveLength(1);
    expect((await askAdmin("?account=nobody")).status).toBe(404);
  });

  it("tells no margin where not all of the money is in dollars", async () => {
    await stage.db.admin`
      INSERT INTO ducat.revenue_rollups
      SELECT account_id, day, hour, style_id, style_version, model, 'IRR', 7000001
      FROM ducat.revenue_rollups`;
    const { body } = await askAdmin("");
    expect(body.data[0]).toMatchObject({
      revenue: [
        { amount: 7, currency: "IRR" },
        { amount: 9, currency: "USD" },
      ],
      margin_micros: null,
    });
    const file = await askAdmin("", { headers: { accept: "text/csv" } });
    expect(file.text).toContain("IRR 7; USD 9,1,4000,\r\n");
  });
});
