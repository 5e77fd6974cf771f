import { randomUUID } from "node:crypto";
import { banLogin } from "@ducat/db/logins";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { askAuth, logIn, makePerson, password } from "../../test/person.ts";
import { eventually, type Stage, setStage } from "../../test/stage.ts";
import { createApp } from "../app.ts";
import { createSessionTokens } from "../logins/session-tokens.ts";

const audit = { actor: "root", request_id: "test", ip: null };

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
});
afterAll(() => stage.close());

type Tokens = { access_token: string; refresh_token: string; account_id: string };

const begin = async (): Promise<Tokens & { email: string; loginId: string }> => {
  const person = await makePerson(stage);
  return { ...person, ...(await logIn(stage, person.email)) };
};
const refresh = (refresh_token: string) => askAuth(stage, "refresh", { refresh_token });
const readStatus = async (bearer: string) =>
  (await stage.call("/v1/credits/balance", { bearer })).status;
const listSessions = async (bearer: string) =>
  (await stage.call("/v1/auth/sessions", { bearer })).body.data;
/** The last rotation was this long ago. */
const letPass = (seconds: number, loginId: string) => stage.db.admin`
  UPDATE ducat.sessions SET refreshed_at = refreshed_at - make_interval(secs => ${seconds})
  WHERE login_id = ${loginId}`;

describe("a session's tokens", () => {
  const [one, two] = ["a".repeat(32), "b".repeat(32)];
  const id = randomUUID();

  it("are derived: the same for who has the secrets, nothing to guess for who has not", () => {
    const tokens = createSessionTokens({ secrets: [one], mode: "test" });
    const pair = tokens.make(id, 7);
    expect(tokens.make(id, 7)).toEqual(pair);
    expect(tokens.read("access", pair.access)).toMatchObject({ id, generation: 7 });
    expect(tokens.read("refresh", pair.refresh)).toMatchObject({ id, generation: 7 });
    const foreign = createSessionTokens({ secrets: [two], mode: "test" });
    const live = createSessionTokens({ secrets: [one], mode: "live" });
    for (const other of [foreign, live]) {
      expect(other.read("access", pair.access)).toBeUndefined();
    }
  });

  it("are for one use each, and every changed character is seen", () => {
    const tokens = createSessionTokens({ secrets: [one], mode: "test" });
    const { access, refresh: refreshing } = tokens.make(id, 1);
    expect(tokens.read("refresh", access)).toBeUndefined();
    expect(tokens.read("access", refreshing)).toBeUndefined();
    expect(tokens.read("refresh", `dr${access.slice(2)}`)).toBeUndefined();
    for (let at = 0; at < access.length; at++) {
      const wrong = access.slice(0, at) + (access[at] === "x" ? "y" : "x") + access.slice(at + 1);
      expect(tokens.read("access", wrong), `${at}`).toBeUndefined();
    }
  });

  it("outlive the replacement of a secret", () => {
    const old = createSessionTokens({ secrets: [one], mode: "test" }).make(id, 3);
    const now = createSessionTokens({ secrets: [two, one], mode: "test" });
    expect(now.read("refresh", old.refresh)?.generation).toBe(3);
    expect(now.find(id, 3, old.hashes.refresh_hash)).toEqual(old);
    expect(now.make(id, 3)).not.toEqual(old);
    expect(now.find(id, 4, old.hashes.refresh_hash)).toBeUndefined();
  });
});

describe("a refresh", () => {
  it("brings the next tokens; the access token before lives out its time", async () => {
    const first = await begin();
    const { status, body: second } = await refresh(first.refresh_token);
    expect(status).toBe(200);
    expect(second.account_id).toBe(first.account_id);
    expect(new Set([first.refresh_token, second.refresh_token]).size).toBe(2);
    expect(await readStatus(second.access_token)).toBe(200);
    expect(await readStatus(first.access_token)).toBe(200);
    const minutes = (Date.parse(second.access_expires_at) - Date.now()) / 60_000;
    expect(minutes).toBeGreaterThan(14.5);
    expect(minutes).toBeLessThanOrEqual(15.1);
  });

  it("asked for fifty times at once makes one chain", async () => {
    const first = await begin();
    const all = await Promise.all(Array.from({ length: 50 }, () => refresh(first.refresh_token)));
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(all.map(({ text }) => text)).size).toBe(1);
    const [row] = await stage.db.admin`
      SELECT generation FROM ducat.sessions WHERE login_id = ${first.loginId}`;
    expect(row?.generation).toBe(2);
    const { body } = all[0] ?? {};
    expect(await readStatus(body.access_token)).toBe(200);
    expect((await refresh(body.refresh_token)).status).toBe(200);
  });

  it("with the token before gets the same answer for ten seconds, and ends it all after", async () => {
    const first = await begin();
    const second = await refresh(first.refresh_token);
    await letPass(9, first.loginId);
    expect((await refresh(first.refresh_token)).text).toBe(second.text);
    await letPass(2, first.loginId);
    expect((await refresh(first.refresh_token)).status).toBe(401);
    expect((await refresh(second.body.refresh_token)).status).toBe(401);
    expect(await readStatus(second.body.access_token)).toBe(401);
  });

  it("with an older token ends the session at once: R1 after R3", async () => {
    const first = await begin();
    const other = await logIn(stage, first.email);
    const second = (await refresh(first.refresh_token)).body;
    const third = (await refresh(second.refresh_token)).body;
    expect(await readStatus(third.access_token)).toBe(200);
    expect((await refresh(first.refresh_token)).status).toBe(401);
    expect(await readStatus(third.access_token)).toBe(401);
    expect((await refresh(third.refresh_token)).status).toBe(401);
    const [row] = await stage.db.admin`
      SELECT end_reason FROM ducat.sessions
      WHERE login_id = ${first.loginId} AND ended_at IS NOT NULL`;
    expect(row?.end_reason).toBe("replayed");
    expect(await readStatus(other.access_token)).toBe(200);
  });

  it("with a replay and the newest token at once leaves no token that works", async () => {
    const first = await begin();
    const second = (await refresh(first.refresh_token)).body;
    const third = (await refresh(second.refresh_token)).body;
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        refresh(n % 2 ? first.refresh_token : third.refresh_token),
      ),
    );
    for (const { status, body } of all) {
      if (status === 200) expect(await readStatus(body.access_token)).toBe(401);
    }
    expect(await readStatus(third.access_token)).toBe(401);
  });

  it("is refused alike for a forged, an expired and an unknown token", async () => {
    const { refresh_token, access_token, loginId } = await begin();
    await stage.db.admin`
      UPDATE ducat.sessions SET expires_at = now() WHERE login_id = ${loginId}`;
    const unknown = stage.deps.logins.tokens.make(randomUUID(), 1).refresh;
    const forged = `${refresh_token.slice(0, -1)}${refresh_token.endsWith("A") ? "E" : "A"}`;
    const answers = await Promise.all(
      [refresh_token, unknown, forged, access_token, "x"].map(refresh),
    );
    const said = answers.map(({ status, body: { request_id, ...body } }) =>
      JSON.stringify([status, body]),
    );
    expect(new Set(said).size).toBe(1);
    expect(answers[0]?.status).toBe(401);
  });
});

describe("a session", () => {
  it("costs no query while it is known, and ends when its time is over", async () => {
    const { access_token, loginId } = await begin();
    expect(await readStatus(access_token)).toBe(200);
    // Not through us: nobody was told.
    await stage.db.admin`UPDATE ducat.sessions SET ended_at = now() WHERE login_id = ${loginId}`;
    expect(await readStatus(access_token)).toBe(200);
    await stage.deps.cache.drop([`login:${loginId}`]);
    expect(await readStatus(access_token)).toBe(401);
    const fresh = await begin();
    await stage.db.admin`
      UPDATE ducat.session_tokens SET access_expires_at = now()
      WHERE session_id IN (SELECT id FROM ducat.sessions WHERE login_id = ${fresh.loginId})`;
    expect(await readStatus(fresh.access_token)).toBe(401);
  });

  it("is known by its own token, not by one that another of our secrets would make", async () => {
    const { access_token } = await begin();
    const two = { secrets: ["s".repeat(32), "t".repeat(32)], mode: "test" } as const;
    const logins = { ...stage.deps.logins, tokens: createSessionTokens(two) };
    const app = createApp({ ...stage.deps, logins });
    const token = logins.tokens.read("access", access_token);
    const other = createSessionTokens({ secrets: ["t".repeat(32)], mode: "test" });
    const forged = other.make(token?.id ?? "", 1).access;
    const statuses = [access_token, forged].map(async (bearer) => {
      const headers = { authorization: `Bearer ${bearer}` };
      return (await app.request("/v1/credits/balance", { headers })).status;
    });
    expect(await Promise.all(statuses)).toEqual([200, 401]);
  });

  it("ends by logging out, and no other with it", async () => {
    const { access_token: bearer, refresh_token, email } = await begin();
    const other = await logIn(stage, email);
    expect(await readStatus(bearer)).toBe(200);
    const left = await stage.call("/v1/auth/logout", { method: "POST", bearer });
    expect([left.status, left.text]).toEqual([204, ""]);
    expect(await readStatus(bearer)).toBe(401);
    expect((await refresh(refresh_token)).status).toBe(401);
    expect(await readStatus(other.access_token)).toBe(200);
  });

  it("is listed for its login, which ends one, the others or all", async () => {
    const { access_token: bearer, email, account_id } = await begin();
    const others = [await logIn(stage, email), await logIn(stage, email)];
    const listed = await listSessions(bearer);
    expect(listed).toHaveLength(3);
    const current = listed.filter((one: { is_current: boolean }) => one.is_current);
    expect(current).toMatchObject([{ account_id, ip: null }]);
    const [victim] = listed.filter((one: { is_current: boolean }) => !one.is_current);
    const path = `/v1/auth/sessions/${victim.id}`;
    expect((await stage.call(path, { method: "DELETE", bearer })).status).toBe(204);
    expect((await stage.call(path, { method: "DELETE", bearer })).status).toBe(404);
    const statuses = await Promise.all(others.map((one) => readStatus(one.access_token)));
    expect(statuses.sort()).toEqual([200, 401]);
    const kept = "/v1/auth/sessions?keep_current=true";
    expect((await stage.call(kept, { method: "DELETE", bearer })).status).toBe(204);
    expect(await listSessions(bearer)).toHaveLength(1);
    await stage.call("/v1/auth/sessions", { method: "DELETE", bearer });
    expect(await readStatus(bearer)).toBe(401);
  });

  it("of somebody else is not there", async () => {
    const [mine, theirs] = [await begin(), await begin()];
    const [one] = await listSessions(theirs.access_token);
    const how = { method: "DELETE", bearer: mine.access_token };
    expect((await stage.call(`/v1/auth/sessions/${one.id}`, how)).status).toBe(404);
    expect((await stage.call("/v1/auth/sessions/x", how)).status).toBe(404);
    expect(await readStatus(theirs.access_token)).toBe(200);
    expect(JSON.stringify(await listSessions(mine.access_token))).not.toContain(one.id);
  });

  it("is nothing that a key has", async () => {
    for (const [path, method] of [
      ["sessions", "GET"],
      ["sessions", "DELETE"],
      ["logout", "POST"],
    ]) {
      const answer = await stage.call(`/v1/auth/${path}`, { method: method ?? "" });
      expect(answer.body.code).toBe("forbidden");
    }
  });

  it("is bound to its account, whatever the header says", async () => {
    const { access_token: bearer } = await begin();
    const foreign = await stage.makeAccount(5);
    const { body } = await stage.call("/v1/credits/balance", { bearer, account: foreign });
    expect(body.available).toBe(3);
    expect((await stage.call("/v1/admin/promo-codes", { bearer })).body.code).toBe("forbidden");
    const made = { name: "mine", scopes: ["credits"] };
    const key = await stage.call("/v1/api-keys", { bearer, body: made });
    expect(key.status).toBe(201);
  });

  it("is dead when another process ends it, bans the login or deactivates the account", async () => {
    const endings = [
      ({ loginId }: { loginId: string }) =>
        stage.db.app`SELECT ducat.end_sessions(${loginId}, NULL, 'revoked')`,
      ({ loginId }: { loginId: string }) =>
        banLogin(stage.db.app, loginId, { isBanned: true, audit }),
      ({ loginId }: { loginId: string }) =>
        stage.db.app`
          SELECT ducat.end_session(${loginId}, (s ->> 'id')::uuid, 'revoked')
          FROM ducat.list_sessions(${loginId}) AS s`,
    ];
    for (const end of endings) {
      const session = await begin();
      expect(await readStatus(session.access_token)).toBe(200);
      await end(session);
      await eventually(async () => expect(await readStatus(session.access_token)).toBe(401));
      expect((await refresh(session.refresh_token)).status).toBe(401);
    }
    const session = await begin();
    await stage.db.admin`
      UPDATE ducat.accounts SET is_active = false WHERE id = ${session.account_id}`;
    expect((await refresh(session.refresh_token)).status).toBe(401);
    const again = await askAuth(stage, "login", { email: session.email, password });
    expect(again.status).toBe(401);
  });

  it("of a banned login begins again only when the ban is over", async () => {
    const { loginId, email } = await begin();
    const ban = (isBanned: boolean) => banLogin(stage.db.app, loginId, { isBanned, audit });
    await ban(true);
    expect((await askAuth(stage, "login", { email, password })).status).toBe(401);
    await ban(false);
    expect((await askAuth(stage, "login", { email, password })).status).toBe(200);
  });

  it("is one of fifty at most: the oldest goes", async () => {
    const { loginId, account_id, access_token } = await begin();
    await stage.db.admin`
      INSERT INTO ducat.sessions (id, login_id, account_id, expires_at)
      SELECT gen_random_uuid(), ${loginId}, ${account_id}, now() + interval '1 day'
      FROM generate_series(1, 52)`;
    const [email] = await stage.db.admin`SELECT email FROM ducat.logins WHERE id = ${loginId}`;
    await logIn(stage, email?.email);
    const [open] = await stage.db.admin`
      SELECT count(*)::int AS n FROM ducat.sessions
      WHERE login_id = ${loginId} AND ended_at IS NULL`;
    expect(open?.n).toBe(50);
    expect(await readStatus(access_token)).toBe(401);
  });
});

describe("an office", () => {
  const appoint = async (role: string) => {
    const session = await begin();
    await stage.db.admin`UPDATE ducat.logins SET role = ${role} WHERE id = ${session.loginId}`;
    return session;
  };
  const code = { code: `C${randomUUID().slice(0, 8)}`, credits: 5 };

  it("of support lets see what admins see, and change nothing of it", async () => {
    const { access_token: bearer } = await appoint("support");
    expect((await stage.call("/v1/admin/promo-codes", { bearer })).status).toBe(200);
    const change = await stage.call("/v1/admin/promo-codes", { bearer, body: code });
    expect(change.body.code).toBe("forbidden");
  });

  it("of an admin lets change it, in their own name", async () => {
    const { access_token: bearer, loginId } = await appoint("admin");
    const made = await stage.call("/v1/admin/promo-codes", { bearer, body: code });
    expect(made.status).toBe(201);
    const [line] = await stage.db.admin`
      SELECT actor FROM ducat.audit_logs WHERE action = 'promo_code.create'`;
    expect(line?.actor).toBe(`login:${loginId}`);
  });

  it("is nobody's who has not proven who they are", async () => {
    const { access_token: bearer, loginId } = await appoint("admin");
    await stage.db.admin`UPDATE ducat.logins SET verified_at = NULL WHERE id = ${loginId}`;
    expect((await stage.call("/v1/admin/promo-codes", { bearer })).body.code).toBe("forbidden");
  });
});
