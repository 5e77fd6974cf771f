import { randomUUID } from "node:crypto";
import { PromoCode, PromoCodePage, Redemption } from "@ducat/types/products";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const path = "/v1/admin/promo-codes";
const name = () => `C-${randomUUID().slice(0, 8)}`.toUpperCase();
async function makeCode(more: object = {}): Promise<PromoCode> {
  const answer = await stage.call(path, { body: { code: name(), credits: 5, ...more } });
  expect(answer.status).toBe(201);
  return PromoCode.parse(answer.body);
}
const redeem = (account: string | undefined, code: string, key?: string) =>
  stage.call("/v1/credits/redeem", { account, body: { code }, ...(key && { key }) });
const readAvailable = async (account: string) =>
  (await stage.call("/v1/credits/balance", { account })).body.available;

describe("POST /v1/credits/redeem", () => {
  it("gives the credits of a code, in any case, and says until when", async () => {
    const account = await stage.makeAccount();
    const { code } = await makeCode({ valid_days: 10 });
    const { status, body } = await redeem(account, ` ${code.toLowerCase()} `);
    expect(status).toBe(201);
    const done = Redemption.parse(body);
    expect(done).toMatchObject({ code, credits: 5, subject: null, available: 8, debt: 0 });
    expect(Date.parse(done.expires_at ?? "")).toBeGreaterThan(Date.now() + 9 * 86_400_000);
    const { data } = (await stage.call("/v1/credits/transactions", { account })).body;
    expect(data[0]).toMatchObject({ id: done.transaction_id, type: "promo", amount: 5 });
  });

  it("answers a repeat with its key as the first time, and without one that it was redeemed", async () => {
    const account = await stage.makeAccount();
    const { code } = await makeCode();
    const first = await redeem(account, code, "k");
    const again = await redeem(account, code, "k");
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await redeem(account, "OTHER", "k")).toMatchObject({
      status: 422,
      body: { code: "idempotency_conflict" },
    });
    expect(await redeem(account, code)).toMatchObject({
      status: 409,
      body: { code: "invalid_state", reason: "redeemed" },
    });
    expect(await readAvailable(account)).toBe(8);
  });

  it("gives the last use to one of two accounts", async () => {
    const { code } = await makeCode({ max_redemptions: 1 });
    const accounts = [await stage.makeAccount(), await stage.makeAccount()];
    const answers = await Promise.all(accounts.map((account) => redeem(account, code)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    const balances = await Promise.all(accounts.map(readAvailable));
    expect(balances.sort()).toEqual([3, 8]);
  });

  it("gives to the account that asks and to no other", async () => {
    const [mine, other] = [await stage.makeAccount(), await stage.makeAccount()];
    const { code } = await makeCode();
    await redeem(mine, code, "same key");
    expect(await readAvailable(other)).toBe(3);
    // Another account's key is another key.
    expect((await redeem(other, code, "same key")).body).toMatchObject({ available: 8 });
  });

  it("refuses what is unknown, over, or no code at all", async () => {
    const account = await stage.makeAccount();
    const over = await makeCode({ expires_at: "2020-01-01T00:00:00Z" });
    expect((await redeem(account, over.code)).body).toMatchObject({ reason: "expired" });
    const forVendors = await makeCode({ audience: "vendor" });
    for (const code of ["NOBODY", forVendors.code]) {
      expect(await redeem(account, code)).toMatchObject({ status: 404 });
    }
    for (const code of ["", 5, null, "x".repeat(65), "a\u0000b"]) {
      expect((await redeem(account, code as string)).status, JSON.stringify(code)).toBe(422);
    }
    expect(await redeem(undefined, over.code)).toMatchObject({ status: 400 });
    expect(await readAvailable(account)).toBe(3);
  });
});

describe("/v1/admin/promo-codes", () => {
  it("makes a code once, with an audit line", async () => {
    const made = await makeCode({ max_redemptions: 2, subject: "house" });
    expect(made).toMatchObject({ max_redemptions: 2, redemptions: 0, is_active: true });
    const again = await stage.call(path, { body: { code: made.code.toLowerCase(), credits: 1 } });
    expect(again).toMatchObject({ status: 409, body: { code: "already_exists" } });
    const [line] = await stage.db.admin`
      SELECT actor, action FROM ducat.audit_logs WHERE resource_id = ${made.id}`;
    expect(line).toEqual({ actor: "root", action: "promo_code.create" });
  });

  it.each([
    ["no credits", { credits: 0 }],
    ["negative credits", { credits: -5 }],
    ["too many credits", { credits: 1e12 + 1 }],
    ["a fraction", { credits: 1.5 }],
    ["spaces in its name", { code: "a b c" }],
    ["an unknown audience", { audience: "all" }],
    ["no uses", { max_redemptions: 0 }],
    [
      "an end before its beginning",
      { starts_at: "2026-02-01T00:00:00Z", expires_at: "2026-01-01T00:00:00Z" },
    ],
    ["a column that is not for callers", { redemptions: 5 }],
  ])("makes none of %s", async (_, more) => {
    const answer = await stage.call(path, { body: { code: name(), credits: 5, ...more } });
    expect(answer).toMatchObject({ status: 422, body: { code: "validation_failed" } });
  });

  it("switches a code off and on, and moves its bounds", async () => {
    const account = await stage.makeAccount();
    const { id, code } = await makeCode({ max_redemptions: 1 });
    const patch = (body: object) => stage.call(`${path}/${id}`, { method: "PATCH", body });
    expect(PromoCode.parse((await patch({ is_active: false })).body).is_active).toBe(false);
    expect((await redeem(account, code)).status).toBe(404);
    await patch({ is_active: true });
    await redeem(account, code);
    expect((await patch({ max_redemptions: null })).body.max_redemptions).toBeNull();
    expect((await patch({ max_redemptions: 1 })).status).toBe(200);
    expect((await patch({ expires_at: "2027-01-01T00:00:00+01:00" })).body.expires_at).toBe(
      "2026-12-31T23:00:00.000Z",
    );
    expect((await patch({})).status).toBe(422);
    expect((await patch({ credits: 500 })).status).toBe(422);
    const foreign = `${path}/${randomUUID()}`;
    const unknown = await stage.call(foreign, { method: "PATCH", body: { is_active: true } });
    expect(unknown.status).toBe(404);
  });

  it("lists codes a page at a time, or the one of a name", async () => {
    const made = [await makeCode(), await makeCode(), await makeCode()];
    const first = PromoCodePage.parse((await stage.call(`${path}?limit=2`)).body);
    expect(first.data.map(({ id }) => id)).toEqual([made[2]?.id, made[1]?.id]);
    const next = await stage.call(`${path}?limit=1&cursor=${first.next_cursor}`);
    expect(PromoCodePage.parse(next.body).data).toEqual([made[0]]);
    const named = await stage.call(`${path}?code=${made[0]?.code.toLowerCase()}`);
    expect(PromoCodePage.parse(named.body).data).toEqual([made[0]]);
    expect((await stage.call(`${path}?cursor=nonsense`)).status).toBe(422);
  });

  it("is for administrators", async () => {
    expect((await stage.call(path, { bearer: null })).status).toBe(401);
  });
});
