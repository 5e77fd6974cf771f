import { randomUUID } from "node:crypto";
import { claimMessages, recordMessage } from "@ducat/db/messages";
import { FailedMessagePage } from "@ducat/types/failed-messages";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stage, setStage } from "../../test/stage.ts";

const path = "/v1/admin/messages";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

type Kept = { account?: string; kind?: string; hasSecret?: boolean };

/** A message whose sending has failed for good. */
async function makeFailed({ account, kind = "receipt", hasSecret = false }: Kept = {}) {
  const accountId = account ?? (await stage.makeAccount());
  await stage.db.admin`
    UPDATE ducat.accounts SET email = ${`${randomUUID()}@x.example`}
    WHERE id = ${accountId} AND email IS NULL`;
  const [row] = await stage.db.admin<{ id: string }[]>`
    INSERT INTO ducat.messages (account_id, kind, channel, has_secret, data, effect_key, due_at)
    VALUES (${accountId}, ${kind}, 'email', ${hasSecret}, '{"a": 1}', ${randomUUID()}, now())
    RETURNING id`;
  const [claimed] = await claimMessages(stage.db.worker, {
    ...{ channel: "email", limit: 1, leaseSeconds: 60 },
  });
  if (claimed?.id !== row?.id || !claimed) throw new Error("another message was due");
  await recordMessage(stage.db.worker, claimed, { outcome: "failed", error: "no such box" });
  return { id: claimed.id, accountId };
}

const list = async (query = "") =>
  FailedMessagePage.parse((await stage.call(`${path}?${query}`)).body);
const act = (id: string, what: string) => stage.call(`${path}/${id}/${what}`, { method: "POST" });
const listLines = (id: string) => stage.db.admin`
  SELECT actor, action, account_id FROM ducat.audit_logs WHERE resource_id = ${id} ORDER BY id`;

describe("messages that could not be sent", () => {
  it("are listed without whom they are for, newest first, and filtered", async () => {
    const one = await makeFailed();
    const two = await makeFailed({ account: one.accountId, kind: "pass_ending" });
    await makeFailed();
    const of = await list(`account=${one.accountId}`);
    expect(of.data.map(({ id }) => id)).toEqual([two.id, one.id]);
    expect(of.data[1]).toMatchObject({ kind: "receipt", attempts: 1, last_error: "no such box" });
    expect(JSON.stringify(of)).not.toContain("@x.example");
    const first = await list(`account=${one.accountId}&limit=1`);
    const next = await list(`account=${one.accountId}&limit=1&cursor=${first.next_cursor}`);
    expect(next.data.map(({ id }) => id)).toEqual([one.id]);
    const kind = await list(`account=${one.accountId}&kind=pass_ending&channel=email`);
    expect(kind.data.map(({ id }) => id)).toEqual([two.id]);
    expect((await list(`account=${one.accountId}&channel=sms`)).data).toEqual([]);
    expect((await stage.call(`${path}?account=nobody`)).status).toBe(404);
    for (const { id } of (await list()).data) await act(id, "discard");
  });

  it("are tried again as new ones", async () => {
    const { id, accountId } = await makeFailed();
    const answer = await act(id, "retry");
    expect(answer.body).toMatchObject({ id, status: "pending", attempts: 0 });
    const [claimed] = await claimMessages(stage.db.worker, {
      ...{ channel: "email", limit: 5, leaseSeconds: 60 },
    });
    expect(claimed).toMatchObject({ id, attempt: 1, data: { a: 1 } });
    if (claimed) await recordMessage(stage.db.worker, claimed, { outcome: "sent" });
    expect((await act(id, "retry")).status).toBe(404);
    const line = { actor: "root", action: "message.retry", account_id: accountId };
    expect(await listLines(id)).toEqual([line]);
  });

  it("are given up once, by one of many", async () => {
    const { id } = await makeFailed();
    const all = await Promise.all([act(id, "discard"), act(id, "discard"), act(id, "retry")]);
    expect(all.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await listLines(id)).toHaveLength(1);
    await stage.db.admin`UPDATE ducat.messages SET due_at = NULL WHERE id = ${id}`;
  });

  it("with a secret are not sent again: it is gone", async () => {
    const { id } = await makeFailed({ hasSecret: true });
    const refused = await act(id, "retry");
    expect(refused.body).toMatchObject({ code: "invalid_state", reason: "data_removed" });
    expect((await list()).data[0]).toMatchObject({ id, can_retry: false });
    expect((await act(id, "discard")).body.status).toBe("skipped");
  });

  it("that are none, or are still tried, are not found", async () => {
    for (const id of [randomUUID(), "x"]) {
      expect((await act(id, "retry")).status).toBe(404);
      expect((await act(id, "discard")).status).toBe(404);
    }
  });
});
