import { randomUUID } from "node:crypto";
import { Adjustment } from "@ducat/types/credits";
import { Refund } from "@ducat/types/generations";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { settle } from "../../test/settle.ts";
import { type Call, order, type Stage, setStage } from "../../test/stage.ts";
import { makeSession } from "../../test/tenant.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const available = async (account: string) =>
  (await stage.call("/v1/credits/balance", { account })).body.available;
const readAudit = async (account: string, action: string) => [
  ...(await stage.db.admin`
    SELECT actor, request_id, metadata FROM ducat.audit_logs
    WHERE account_id = ${account} AND action = ${action} ORDER BY id`),
];

describe("a correction of a balance", () => {
  const adjust = (account: string, body: object, more: Call = {}) =>
    stage.call(`/v1/admin/accounts/${account}/credits`, { key: randomUUID(), body, ...more });

  it("adds and takes credits once per key, with an audit line each", async () => {
    const account = await stage.makeAccount();
    const key = randomUUID();
    const headers = { "x-request-id": "support-case-7" };
    const more = await adjust(account, { amount: 5, reason: "an apology" }, { key, headers });
    expect(more.status).toBe(201);
    expect(Adjustment.parse(more.body)).toMatchObject({ amount: 5, available: 8 });
    const again = await adjust(account, { amount: 5, reason: "an apology" }, { key });
    expect([again.status, again.text]).toEqual([201, more.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    const less = await adjust(account, { amount: -6, reason: "a mistake" });
    expect([less.status, less.body.available]).toEqual([201, 2]);
    expect(await readAudit(account, "credits.adjust")).toMatchObject([
      {
        actor: "root",
        request_id: "support-case-7",
        metadata: { amount: 5, reason: "an apology" },
      },
      { actor: "root", metadata: { amount: -6, before: 8, after: 2 } },
    ]);
  });

  it("finds the account by its external id, and 404s what it doesn't know", async () => {
    await stage.call("/v1/accounts", { body: { external_id: "eve" } });
    expect((await adjust("eve", { amount: 1, reason: "r" })).body.available).toBe(4);
    for (const unknown of [randomUUID(), "nobody", "%20", "%00"]) {
      expect((await adjust(unknown, { amount: 1, reason: "r" })).status).toBe(404);
    }
  });

  it("never takes more than there is", async () => {
    const account = await stage.makeAccount();
    const refused = await adjust(account, { amount: -4, reason: "r" });
    expect([refused.status, refused.body.code]).toEqual([402, "insufficient_credits"]);
    expect(await available(account)).toBe(3);
  });

  it.each([
    ["/amount", { amount: 0, reason: "r" }],
    ["/amount", { amount: 1e13, reason: "r" }],
    ["/reason", { amount: 1 }],
    ["/reason", { amount: 1, reason: "x".repeat(501) }],
  ])("is refused for a bad %s", async (pointer, body) => {
    const refused = await adjust(await stage.makeAccount(), body);
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, pointer]);
  });

  it("asks for a key of ours and an Idempotency-Key", async () => {
    const account = await stage.makeAccount();
    const body = { amount: 1, reason: "r" };
    expect((await adjust(account, body, { bearer: null })).status).toBe(401);
    const keyless = await adjust(account, body, { key: undefined });
    expect(keyless.body.code).toBe("idempotency_key_required");
  });
});

describe("a refund by support", () => {
  const refund = (account: string, id: string, body: object, more: Call = {}) =>
    stage.call(`/v1/admin/generations/${id}/refund`, { account, key: randomUUID(), body, ...more });
  const makeEnded = async () => {
    const account = await stage.makeAccount();
    const body = order({ areas: ["a", "b", "c"] });
    const made = await stage.call("/v1/generations", { account, key: randomUUID(), body });
    await settle(stage, account, made.body, ["text", "text", "failed"]);
    return {
      account,
      id: made.body.id,
      items: made.body.items.map((item: { id: string }) => item.id),
    };
  };

  it("pays completed items back, each once, and the same answer per key", async () => {
    const { account, id, items } = await makeEnded();
    const key = randomUUID();
    const one = await refund(
      account,
      id,
      { items: [items[0], items[0]], reason: "blurred" },
      { key },
    );
    expect(one.status).toBe(201);
    expect(Refund.parse(one.body)).toEqual({ generation_id: id, items: 1, credits: 1 });
    const all = await refund(account, id, { reason: "all of it" });
    expect(all.body).toEqual({ generation_id: id, items: 1, credits: 1 });
    const again = await refund(
      account,
      id,
      { items: [items[0], items[0]], reason: "blurred" },
      { key },
    );
    expect([again.status, again.text]).toEqual([201, one.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    const other = await refund(account, id, { reason: "another" }, { key });
    expect(other.body.code).toBe("idempotency_conflict");
    expect(await available(account)).toBe(3);
    expect(await readAudit(account, "generation.refund")).toHaveLength(2);
  });

  it("answers twenty parallel requests with one key alike", async () => {
    const { account, id } = await makeEnded();
    const key = randomUUID();
    const all = await Promise.all(
      Array.from({ length: 20 }, () => refund(account, id, { reason: "r" }, { key })),
    );
    expect(new Set(all.map(({ text }) => text)).size).toBe(1);
    expect(all.filter(({ headers }) => headers.has("idempotent-replayed"))).toHaveLength(19);
    expect(await available(account)).toBe(3);
  });

  it("lets one of two generations win a key that both are refunded with", async () => {
    const first = await makeEnded();
    const body = order();
    const { account } = first;
    await stage.call(`/v1/admin/accounts/${account}/credits`, {
      key: randomUUID(),
      body: { amount: 1, reason: "r" },
    });
    const made = await stage.call("/v1/generations", { account, key: randomUUID(), body });
    await settle(stage, account, made.body, ["text"]);
    for (let round = 0; round < 5; round++) {
      const key = randomUUID();
      const both = await Promise.all(
        [first.id, made.body.id].map((id) => refund(account, id, { reason: "r" }, { key })),
      );
      expect(both.map(({ status }) => status).sort()).toEqual([201, 422]);
    }
  });

  it("refuses items that are not completed or not of this generation", async () => {
    const { account, id, items } = await makeEnded();
    const failed = await refund(account, id, { items: [items[2]], reason: "r" });
    expect([failed.status, failed.body.code]).toEqual([409, "invalid_state"]);
    const foreign = await refund(account, id, { items: [items[0], randomUUID()], reason: "r" });
    expect(foreign.status).toBe(404);
    expect(await available(account)).toBe(1);
  });

  it("hides the generation from another account", async () => {
    const { id } = await makeEnded();
    const stranger = await stage.makeAccount();
    expect((await refund(stranger, id, { reason: "r" })).status).toBe(404);
    expect((await refund(stranger, "nonsense", { reason: "r" })).status).toBe(404);
  });

  it("is an admin's to make for whatever account they name, in their own name", async () => {
    const { account, id } = await makeEnded();
    const own = await stage.makeAccount();
    const { access: bearer, loginId } = await makeSession(stage, own, { role: "admin" });
    const external = (await stage.call("/v1/me", { account })).body.external_id;
    const unnamed = await refund(account, id, { reason: "r" }, { bearer, account: undefined });
    expect([unnamed.status, unnamed.body.code]).toEqual([400, "account_required"]);
    for (const other of [own, await stage.makeAccount(), randomUUID()]) {
      const foreign = await refund(other, id, { reason: "r" }, { bearer });
      expect([foreign.status, foreign.text.includes(account)]).toEqual([404, false]);
    }
    const done = await refund(external, id, { reason: "r" }, { bearer });
    expect([done.status, done.body.credits]).toEqual([201, 2]);
    expect([await available(account), await available(own)]).toEqual([3, 3]);
    const [line, ...more] = await readAudit(account, "generation.refund");
    expect([line?.actor, more]).toEqual([`login:${loginId}`, []]);
    const credits = await stage.call(`/v1/admin/accounts/${external}/credits`, {
      ...{ bearer, key: randomUUID(), body: { amount: 2, reason: "r" } },
    });
    expect([credits.status, await available(account), await available(own)]).toEqual([201, 5, 3]);
  });

  it("is nobody else's to make, and an admin acts for nobody on other routes", async () => {
    const { account, id } = await makeEnded();
    const own = await stage.makeAccount();
    for (const role of ["user", "support"] as const) {
      const { access: bearer } = await makeSession(stage, await stage.makeAccount(), { role });
      expect((await refund(account, id, { reason: "r" }, { bearer })).status).toBe(403);
    }
    const { access: bearer } = await makeSession(stage, own, { role: "admin" });
    expect((await stage.call(`/v1/generations/${id}`, { bearer, account })).status).toBe(404);
    const balance = await stage.call("/v1/credits/balance", { bearer, account });
    expect(balance.body.available).toBe(3);
    expect(await available(account)).toBe(1);
  });

  it("asks for an account and an Idempotency-Key", async () => {
    const { account, id } = await makeEnded();
    const path = `/v1/admin/generations/${id}/refund`;
    const nobody = await stage.call(path, { key: "k", body: { reason: "r" } });
    expect(nobody.body.code).toBe("account_required");
    const keyless = await refund(account, id, { reason: "r" }, { key: undefined });
    expect(keyless.body.code).toBe("idempotency_key_required");
  });
});
