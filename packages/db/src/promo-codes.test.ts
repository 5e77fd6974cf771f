import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeAccount, makeKey } from "../test/factories.ts";
import { countOutcomes, refusalOf } from "../test/outcome.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { createAccount } from "./accounts.ts";
import { advanceClock, findBalance, freezeAccount, listEntries } from "./credits.ts";
import {
  createPromoCode,
  listPromoCodes,
  type NewPromoCode,
  redeemCode,
  updatePromoCode,
} from "./promo-codes.ts";

const database = useDatabase();
const audit = { actor: "root", request_id: "r", ip: null };
const day = 86_400_000;
const makeCode = (change: Partial<NewPromoCode> = {}) => {
  const code = `T-${randomUUID().slice(0, 8).toUpperCase()}`;
  return createPromoCode(database.app, { code, credits: 5, ...change }, audit);
};
const redeem = (accountId: string, code: string, key?: string) =>
  redeemCode(database.app, accountId, { code, ...(key && { requestKey: makeKey(key) }) });
const readUses = async (id: string) => {
  const [row] = await database.admin`SELECT redemptions FROM ducat.promo_codes WHERE id = ${id}`;
  return row?.redemptions as number;
};

describe("redeem_code", () => {
  it("gives its credits, with their life and subject", async () => {
    const { id } = await makeAccount(database.app);
    const { code } = await makeCode({ valid_days: 30, subject: "house", credits: 7 });
    const done = await redeem(id, code.toLowerCase());
    expect(done).toMatchObject({ code, credits: 7, subject: "house", available: 3, debt: 0 });
    const days = (Date.parse(done.expires_at ?? "") - Date.now()) / day;
    expect(days).toBeCloseTo(30, 1);
    expect(await findBalance(database.app, id)).toMatchObject({
      bound: [{ subject: "house", remaining: 7 }],
    });
    const [entry] = await listEntries(database.app, id, { limit: 1 });
    expect(entry).toMatchObject({ type: "promo", amount: 7, description: `Code ${code}` });
  });

  it("gives 50 accounts at once exactly as many as there are", async () => {
    const { id, code } = await makeCode({ max_redemptions: 10 });
    const accounts = await Promise.all(Array.from({ length: 50 }, () => makeAccount(database.app)));
    const sessions = await openSessions(database.url, "ducat_app", 10);
    const calls = atOnce(sessions, 50, (session, index) =>
      redeemCode(session, accounts[index]?.id ?? "", { code }),
    );
    expect(await countOutcomes(calls)).toEqual({ ok: 10, invalid_state: 40 });
    const balances = await Promise.all(accounts.map(({ id }) => findBalance(database.app, id)));
    expect(balances.filter((one) => one?.token_balance === 5)).toHaveLength(10);
    expect(balances.filter((one) => one?.token_balance === 0)).toHaveLength(40);
    expect(await readUses(id)).toBe(10);
    const late = await makeAccount(database.app);
    expect(await refusalOf(redeem(late.id, code))).toEqual({
      code: "invalid_state",
      reason: "used_up",
    });
  });

  it("gives one account once, also to 20 requests at once with keys of their own", async () => {
    const account = await makeAccount(database.app);
    const { id, code } = await makeCode();
    const sessions = await openSessions(database.url, "ducat_app", 8);
    const calls = atOnce(sessions, 20, (session) =>
      redeemCode(session, account.id, { code, requestKey: makeKey() }),
    );
    expect(await countOutcomes(calls)).toEqual({ ok: 1, invalid_state: 19 });
    expect(await readUses(id)).toBe(1);
    expect(await refusalOf(redeem(account.id, code))).toEqual({
      code: "invalid_state",
      reason: "redeemed",
    });
  });

  it("answers a repeated key with the first answer, and nothing else by it", async () => {
    const account = await makeAccount(database.app);
    const { id, code } = await makeCode({ max_redemptions: 1 });
    const requestKey = makeKey();
    const sessions = await openSessions(database.url, "ducat_app", 5);
    const calls = atOnce(sessions, 10, (session) =>
      redeemCode(session, account.id, { code, requestKey }),
    );
    const [first, ...others] = await Promise.all(calls);
    const { replayed: _, ...answer } = first ?? {};
    for (const other of others) expect(other).toMatchObject(answer);
    expect(await countOutcomes(calls)).toEqual({ ok: 1, replayed: 9 });
    expect(await readUses(id)).toBe(1);
    const other = redeemCode(database.app, account.id, {
      code: "ANOTHER",
      requestKey: { ...makeKey(), key: requestKey.key },
    });
    expect(await refusalOf(other)).toEqual({ code: "idempotency_conflict" });
  });

  it("leaves the key usable when it was refused", async () => {
    const account = await makeAccount(database.app);
    const { id, code } = await makeCode({ expires_at: new Date(Date.now() - day) });
    expect(await refusalOf(redeem(account.id, code, "again"))).toMatchObject({ reason: "expired" });
    await updatePromoCode(database.app, id, { expires_at: null, audit });
    expect(await redeem(account.id, code, "again")).toMatchObject({ replayed: false });
  });

  it("refuses what is unknown, switched off, of later or for others as if there were none", async () => {
    const { id } = await makeAccount(database.app);
    const none = { code: "not_found", what: "code" };
    const off = await makeCode();
    await updatePromoCode(database.app, off.id, { is_active: false, audit });
    const later = await makeCode({ starts_at: new Date(Date.now() + day) });
    const others = await makeCode({ audience: "vendor" });
    for (const code of ["NOBODY", "", "'; --", off.code, later.code, others.code]) {
      expect(await refusalOf(redeem(id, code)), code).toEqual(none);
    }
    const vendor = await createAccount(database.app, { external_id: randomUUID(), kind: "vendor" });
    expect(await redeem(vendor.account.id, others.code)).toMatchObject({ credits: 5 });
    const stranger = await refusalOf(redeem(randomUUID(), others.code));
    expect(stranger).toEqual({ code: "not_found", what: "account" });
  });

  it("goes by the account's own time", async () => {
    const account = await makeAccount(database.app);
    const soon = await makeCode({ starts_at: new Date(Date.now() + day) });
    const ending = await makeCode({ expires_at: new Date(Date.now() + day) });
    await advanceClock(database.app, account.id, 2 * 86_400);
    expect(await redeem(account.id, soon.code)).toMatchObject({ credits: 5 });
    expect(await refusalOf(redeem(account.id, ending.code))).toMatchObject({ reason: "expired" });
    expect(await redeem((await makeAccount(database.app)).id, ending.code)).toBeDefined();
  });

  it("gives to a frozen account too, and takes no use when it refuses", async () => {
    const { id } = await makeAccount(database.app);
    await freezeAccount(database.app, id, { reason: "admin", frozen: true, audit });
    const code = await makeCode({ max_redemptions: 2 });
    await redeem(id, code.code);
    await refusalOf(redeem(id, code.code));
    expect(await readUses(code.id)).toBe(1);
  });
});

describe("create_promo_code and update_promo_code", () => {
  it("make each name once and write who did it", async () => {
    const made = await makeCode({ max_redemptions: 3 });
    expect(await refusalOf(makeCode({ code: made.code.toLowerCase() }))).toEqual({
      code: "already_exists",
    });
    const changed = await updatePromoCode(database.app, made.id, { is_active: false, audit });
    expect(changed).toEqual({ ...made, is_active: false });
    const lines = await database.admin`
      SELECT actor, action, metadata FROM ducat.audit_logs
      WHERE resource_id = ${made.id} ORDER BY created_at`;
    expect(lines).toMatchObject([
      { actor: "root", action: "promo_code.create", metadata: { code: made.code, credits: 5 } },
      { action: "promo_code.update", metadata: { before: { is_active: true } } },
    ]);
  });

  it("never make a code of no credits, of too many, or one that ends before it begins", async () => {
    for (const credits of [0, -5, 1_000_000_000_001]) {
      expect(await refusalOf(makeCode({ credits }))).toMatchObject({ code: "validation_failed" });
    }
    const starts_at = new Date();
    const backwards = makeCode({ starts_at, expires_at: new Date(starts_at.getTime() - 1) });
    expect(await refusalOf(backwards)).toMatchObject({ reason: "ends_before_it_begins" });
    await expect(makeCode({ code: "a b" })).rejects.toThrow(/promo_codes_code_check/);
  });

  it("change nothing but the bounds, and those never below what was redeemed", async () => {
    const made = await makeCode({ max_redemptions: 5 });
    for (const account of [await makeAccount(database.app), await makeAccount(database.app)]) {
      await redeem(account.id, made.code);
    }
    const change = { credits: 999, redemptions: 0, max_redemptions: 2, audit } as object;
    const changed = await updatePromoCode(database.app, made.id, change as { audit: typeof audit });
    expect(changed).toEqual({ ...made, max_redemptions: 2, redemptions: 2 });
    expect(
      await refusalOf(updatePromoCode(database.app, made.id, { max_redemptions: 1, audit })),
    ).toEqual({ code: "invalid_state", reason: "redeemed_more", redemptions: 2 });
    const open = await updatePromoCode(database.app, made.id, { max_redemptions: null, audit });
    expect(open.max_redemptions).toBeNull();
    expect(await refusalOf(updatePromoCode(database.app, randomUUID(), { audit }))).toEqual({
      code: "not_found",
      what: "code",
    });
  });
});

it("lists codes, the newest first, a page at a time", async () => {
  const made = [await makeCode(), await makeCode(), await makeCode()];
  const [last, middle] = await listPromoCodes(database.app, { limit: 2 });
  expect([last?.id, middle?.id]).toEqual([made[2]?.id, made[1]?.id]);
  const rest = await listPromoCodes(database.app, { limit: 1, before: middle?.id });
  expect(rest).toEqual([made[0]]);
  const code = made[0]?.code.toLowerCase();
  expect(await listPromoCodes(database.app, { code, limit: 9 })).toEqual([made[0]]);
});
