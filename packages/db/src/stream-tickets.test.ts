import { randomBytes, randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { createApiKey, revokeApiKey } from "./api-keys.ts";
import { forgetCodes } from "./purges.ts";
import { listEndedCallers, makeStreamTicket, takeStreamTicket } from "./stream-tickets.ts";

const database = useDatabase();
const audit = { actor: "test", request_id: "test", ip: null };

const open = async (more: Partial<Parameters<typeof makeStreamTicket>[1]> = {}) => {
  const accountId = more.accountId ?? (await makeAccount(database.app)).id;
  const ticket = {
    ...{ accountId, generationId: undefined, actor: `account:${accountId}`, sessionId: undefined },
    ...{ scopes: ["events"], endsAt: undefined, hash: randomBytes(32), seconds: 60 },
    ...more,
  };
  const expires = await makeStreamTicket(database.app, ticket);
  return { ticket, expires };
};

async function makeServerKey(accountId: string | null) {
  const id = randomBytes(4).toString("hex");
  const key = { id, hash: randomBytes(32), name: "x", scopes: ["events"], audit };
  await createApiKey(database.app, accountId, key);
  return id;
}

async function makeSession(accountId: string) {
  const login = randomUUID();
  const session = randomUUID();
  await database.admin`
    INSERT INTO ducat.logins (id, name, email, email_verified)
    VALUES (${login}, 'x', ${`${login}@x.org`}, true)`;
  await database.admin`
    INSERT INTO ducat.sessions (id, login_id, account_id, expires_at)
    VALUES (${session}, ${login}, ${accountId}, now() + interval '1 day')`;
  return { login, session };
}

describe("a ticket for a stream", () => {
  it("is taken once, by one of many who try at the same time", async () => {
    const { ticket, expires } = await open({ endsAt: new Date(Date.now() + 3_600_000) });
    expect(expires?.getTime()).toBeGreaterThan(Date.now());
    const taken = await Promise.all(
      Array.from({ length: 10 }, () => takeStreamTicket(database.app, ticket.hash)),
    );
    const { hash: _, seconds: __, ...rest } = ticket;
    expect(taken.filter((one) => one !== undefined)).toEqual([rest]);
    expect(await takeStreamTicket(database.app, ticket.hash)).toBeUndefined();
  });

  it("is nothing when its time is over, or that of the credential it was asked for with", async () => {
    const late = await open({ seconds: 0 });
    const ended = await open({ endsAt: new Date(Date.now() - 1_000) });
    expect(await takeStreamTicket(database.app, late.ticket.hash)).toBeUndefined();
    expect(await takeStreamTicket(database.app, ended.ticket.hash)).toBeUndefined();
  });

  it("is for a generation of the account's own only, which is still there", async () => {
    const { id: accountId } = await makeAccount(database.app);
    const { id } = await makeGeneration(database.app, accountId);
    expect((await open({ accountId, generationId: id })).expires).toBeInstanceOf(Date);
    const refused = { code: "not_found" };
    await expect(open({ generationId: id })).rejects.toMatchObject(refused);
    await expect(open({ accountId, generationId: randomUUID() })).rejects.toMatchObject(refused);
    await database.admin`
      UPDATE ducat.generations SET deleted_at = now() WHERE id = ${id}`;
    await expect(open({ accountId, generationId: id })).rejects.toMatchObject(refused);
  });

  it("is neither given to nor taken for whoever may not act any more", async () => {
    const { id: accountId } = await makeAccount(database.app);
    const key = await makeServerKey(accountId);
    const { ticket } = await open({ accountId, actor: `key:${key}` });
    await revokeApiKey(database.app, accountId, { id: key, audit });
    expect(await takeStreamTicket(database.app, ticket.hash)).toBeUndefined();
    expect((await open({ accountId, actor: `key:${key}` })).expires).toBeUndefined();
  });

  it("is one of the latest 200 of its account, and others are left alone", async () => {
    const { id: accountId } = await makeAccount(database.app);
    const other = await open();
    const all = await Promise.all(Array.from({ length: 210 }, () => open({ accountId })));
    await open({ accountId });
    const [row] = await database.admin<{ n: number }[]>`
      SELECT count(*)::int AS n FROM ducat.stream_tickets WHERE account_id = ${accountId}`;
    expect(row?.n).toBeLessThanOrEqual(200);
    expect(all).toHaveLength(210);
    expect(await takeStreamTicket(database.app, other.ticket.hash)).toBeDefined();
  });
});

it("is forgotten when nobody used it in time", async () => {
  const { ticket: late } = await open({ seconds: 0 });
  const { ticket: good } = await open();
  await forgetCodes(database.worker, 1_000);
  const rows = await database.admin<{ hash: Buffer }[]>`
    SELECT hash FROM ducat.stream_tickets WHERE hash IN (${late.hash}, ${good.hash})`;
  expect(rows.map(({ hash }) => hash)).toEqual([good.hash]);
});

describe("the callers of open streams", () => {
  it("have ended when key, session, login or account say so, asked for all at once", async () => {
    const { id: accountId } = await makeAccount(database.app);
    const { id: otherId } = await makeAccount(database.app);
    const { id: inactiveId } = await makeAccount(database.app);
    await database.admin`
      UPDATE ducat.accounts SET is_active = false WHERE id = ${inactiveId}`;
    const [own, product, revoked, expired] = [
      await makeServerKey(accountId),
      await makeServerKey(null),
      await makeServerKey(accountId),
      await makeServerKey(accountId),
    ];
    await revokeApiKey(database.app, accountId, { id: revoked, audit });
    await database.admin`
      UPDATE ducat.api_keys SET expires_at = now() - interval '1 s' WHERE id = ${expired}`;
    const good = await makeSession(accountId);
    const over = await makeSession(accountId);
    const banned = await makeSession(accountId);
    await database.admin`
      UPDATE ducat.sessions SET ended_at = now(), end_reason = 'logout' WHERE id = ${over.session}`;
    await database.admin`
      UPDATE ducat.logins SET banned_at = now() WHERE id = ${banned.login}`;
    const none = { sessionId: undefined };
    const working = [
      { accountId, actor: "root", ...none },
      { accountId, actor: `key:${own}`, ...none },
      { accountId, actor: `key:${product}`, ...none },
      { accountId, actor: `account:${accountId}`, ...none },
      { accountId, actor: `login:${good.login}`, sessionId: good.session },
    ];
    const ended = [
      { accountId: inactiveId, actor: "root", ...none },
      { accountId: randomUUID(), actor: "root", ...none },
      { accountId, actor: `key:${revoked}`, ...none },
      { accountId, actor: `key:${expired}`, ...none },
      { accountId: otherId, actor: `key:${own}`, ...none },
      { accountId, actor: `account:${otherId}`, ...none },
      { accountId, actor: `login:${over.login}`, sessionId: over.session },
      { accountId, actor: `login:${banned.login}`, sessionId: banned.session },
      { accountId, actor: `login:${good.login}`, sessionId: over.session },
      { accountId, actor: `login:${good.login}`, ...none },
      { accountId: otherId, actor: `login:${good.login}`, sessionId: good.session },
      { accountId, actor: "", ...none },
    ];
    const mixed = [...working, ...ended].reverse();
    const found = await listEndedCallers(database.app, mixed);
    expect(new Set(found)).toEqual(new Set(ended));
    expect(await listEndedCallers(database.app, [])).toEqual([]);
  });
});
