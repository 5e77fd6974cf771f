import { randomUUID } from "node:crypto";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Stage, setStage } from "../../test/stage.ts";
import { createAccountTokens } from "../account-token.ts";
import { makeApiKey, readApiKey } from "../api-key.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
});
afterAll(() => stage.close());

const make = (body: object, how: { account?: string; bearer?: string } = {}) =>
  stage.call("/v1/api-keys", { body: { name: "a server", scopes: ["credits"], ...body }, ...how });
const readBalance = (bearer: string, account?: string) =>
  stage.call("/v1/credits/balance", { bearer, account });

describe("an API key's text", () => {
  it("says its mode and id, and a typing error is seen without asking anybody", () => {
    const { id, text } = makeApiKey("test");
    expect(text).toMatch(/^dk_test_[0-9a-z]{8}_[0-9A-Za-z]{38}$/);
    expect(readApiKey(text, "test")).toBe(id);
    expect(readApiKey(text, "live")).toBeUndefined();
    for (let at = 0; at < text.length; at++) {
      const wrong = text.slice(0, at) + (text[at] === "x" ? "y" : "x") + text.slice(at + 1);
      expect(readApiKey(wrong, "test"), wrong).toBeUndefined();
    }
    expect(readApiKey(`${text} `, "test")).toBeUndefined();
  });
});

describe("an API key", () => {
  it("is shown once, does what its scopes say for any account, and no more", async () => {
    const account = await stage.makeAccount();
    const made = await make({});
    expect(made.status).toBe(201);
    const { key, id } = made.body;
    expect((await readBalance(key, account)).body.available).toBe(3);
    expect((await readBalance(key)).body.code).toBe("account_required");
    const styles = await stage.call("/v1/styles", { bearer: key });
    expect([styles.status, styles.body.code]).toEqual([403, "forbidden"]);
    const listed = await stage.call("/v1/api-keys");
    expect(listed.body.data.find((one: { id: string }) => one.id === id)).toMatchObject({
      name: "a server",
      created_by: "root",
      account_id: null,
    });
    expect(listed.text).not.toContain(key);
    const [stored] = await stage.db.admin`
      SELECT a::text AS row FROM ducat.api_keys a WHERE id = ${id}`;
    expect(stored?.row).not.toContain(key.slice(-38));
  });

  it("of an account is bound to it, whatever the header says", async () => {
    const [own, foreign] = [await stage.makeAccount(5), await stage.makeAccount()];
    const { key } = (await make({ scopes: ["credits", "generations"] }, { account: own })).body;
    expect((await readBalance(key, foreign)).body.available).toBe(8);
    const refused = await make({ scopes: ["admin"] }, { account: own });
    expect([refused.status, refused.body.code]).toEqual([422, "validation_failed"]);
  });

  it("hands out no more than it has", async () => {
    const { key } = (await make({ scopes: ["keys", "credits"] })).body;
    expect((await make({ scopes: ["credits"] }, { bearer: key })).status).toBe(201);
    expect((await make({ scopes: ["admin"] }, { bearer: key })).body.code).toBe("forbidden");
    const unknown = await make({ scopes: ["everything"] });
    expect(unknown.body.errors[0].pointer).toBe("/scopes");
  });

  it("that ends makes none that goes on, and takes the place of none", async () => {
    const expires_at = new Date(Date.now() + 3_600_000).toISOString();
    const scopes = ["keys", "credits"];
    const { key: bearer, id } = (await make({ scopes, expires_at })).body;
    expect((await make({}, { bearer })).body.expires_at).toBe(expires_at);
    const sooner = new Date(Date.now() + 60_000).toISOString();
    expect((await make({ expires_at: sooner }, { bearer })).body.expires_at).toBe(sooner);
    const later = new Date(Date.now() + 3_700_000).toISOString();
    expect((await make({ expires_at: later }, { bearer })).body.code).toBe("forbidden");
    const endless = (await make({})).body.id;
    const rotate = (one: string) =>
      stage.call(`/v1/api-keys/${one}/rotate`, { bearer, body: { overlap_s: 60 } });
    expect((await rotate(endless)).body.code).toBe("forbidden");
    expect((await rotate(id)).body.expires_at).toBe(expires_at);
  });

  it("is not used by who knows its id alone", async () => {
    const account = await stage.makeAccount();
    const { id, key } = (await make({})).body;
    // With a right checksum, as anybody can make it.
    const body = `dk_test_${id}_${"x".repeat(32)}`;
    const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const sum = Array.from({ length: 6 }, (_, n) => {
      return digits[Math.floor(crc32(body) / 62 ** (5 - n)) % 62];
    }).join("");
    expect(readApiKey(body + sum, "test")).toBe(id);
    expect((await readBalance(body + sum, account)).status).toBe(401);
    const lastUsed = async () =>
      (await stage.call("/v1/api-keys")).body.data.find((one: { id: string }) => one.id === id)
        .last_used_at;
    expect(await lastUsed()).toBeNull();
    expect((await readBalance(key, account)).status).toBe(200);
    expect(await lastUsed()).not.toBeNull();
  });

  it("is listed while it works, however many were revoked after it", async () => {
    const account = await stage.makeAccount();
    const { id } = (await make({}, { account })).body;
    await stage.db.admin`
      INSERT INTO ducat.api_keys (id, account_id, name, hash, scopes, created_by, revoked_at)
      SELECT substr(md5(${account} || n), 1, 8), ${account}, 'x', sha256(n::text::bytea),
        '{credits}', 'root', now() FROM generate_series(1, 201) AS n`;
    const { data } = (await stage.call("/v1/api-keys", { account })).body;
    expect([data.length, data[0].id]).toEqual([200, id]);
  });

  it("is dead when it is revoked: here in the next request, elsewhere as soon as it is told", async () => {
    const account = await stage.makeAccount();
    const { key, id } = (await make({})).body;
    expect((await readBalance(key, account)).status).toBe(200);
    // As another process revokes it: only the database tells this one.
    await stage.db.app`SELECT ducat.revoke_api_key(NULL, ${id}, 0, '{}')`;
    await eventually(async () => expect((await readBalance(key, account)).status).toBe(401));
    const second = (await make({})).body;
    expect((await readBalance(second.key, account)).status).toBe(200);
    const path = `/v1/api-keys/${second.id}`;
    expect((await stage.call(path, { method: "DELETE" })).body.revoked_at).not.toBeNull();
    expect((await readBalance(second.key, account)).status).toBe(401);
    expect((await stage.call(path, { method: "DELETE", account })).status).toBe(404);
  });

  it("is rotated with an overlap, and without one it is dead at once", async () => {
    const account = await stage.makeAccount();
    const old = (await make({})).body;
    expect((await readBalance(old.key, account)).status).toBe(200);
    const rotate = (overlap_s: number) =>
      stage.call(`/v1/api-keys/${old.id}/rotate`, { body: { overlap_s } });
    const made = await rotate(3600);
    expect(made.body).toMatchObject({ replaces: old.id, scopes: ["credits"] });
    expect((await readBalance(old.key, account)).status).toBe(200);
    expect((await readBalance(made.body.key, account)).status).toBe(200);
    await rotate(0);
    expect((await readBalance(old.key, account)).status).toBe(401);
    expect((await rotate(0)).body.code).toBe("invalid_state");
  });

  it("is rotated by nobody who may do less, and by itself", async () => {
    const scopes = ["keys", "credits"];
    const weak = (await make({ scopes, limit_per_minute: 50 })).body;
    const rotate = (id: string, bearer: string) =>
      stage.call(`/v1/api-keys/${id}/rotate`, { bearer, body: {} });
    for (const more of [{ scopes: ["admin"] }, { limit_per_minute: 51 }, {}]) {
      const other = (await make({ ...more })).body;
      const refused = await rotate(other.id, weak.key);
      expect([refused.status, refused.body.code]).toEqual([403, "forbidden"]);
      expect(refused.text).not.toContain("dk_test_");
    }
    const equal = (await make({ limit_per_minute: 50 })).body;
    expect((await rotate(equal.id, weak.key)).status).toBe(201);
    expect((await rotate(weak.id, weak.key)).body.scopes).toEqual(scopes);
  });

  it("with an end ends then", async () => {
    const past = await make({ expires_at: "2020-01-01T00:00:00Z" });
    expect(past.body.errors[0].pointer).toBe("/expires_at");
    const { key, id } = (await make({ expires_at: "2999-01-01T00:00:00Z" })).body;
    const account = await stage.makeAccount();
    expect((await readBalance(key, account)).status).toBe(200);
    await stage.db.admin`
      UPDATE ducat.api_keys SET expires_at = clock_timestamp() WHERE id = ${id}`;
    await stage.deps.cache.drop([`key:${id}`]);
    expect((await readBalance(key, account)).status).toBe(401);
  });

  it("refuses every wrong key alike", async () => {
    const { key } = (await make({})).body;
    const forged = makeApiKey("test").text;
    const sameId = forged.replace(/_[0-9a-z]{8}_/, `_${key.split("_")[2]}_`);
    const answers = await Promise.all(
      [forged, sameId, key.slice(0, -1), makeApiKey("live").text, "dk_test_", "dat_x.y"].map(
        async (bearer) => {
          const { status, body } = await readBalance(bearer, randomUUID());
          return { status, ...body, request_id: "", instance: "" };
        },
      ),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]?.code).toBe("unauthenticated");
  });
});

describe("an account token", () => {
  const makeToken = (id: string, body: object = {}) =>
    stage.call(`/v1/accounts/${id}/tokens`, { body });

  it("opens its account, within its scopes, for a quarter of an hour at most", async () => {
    const [own, foreign] = [await stage.makeAccount(4), await stage.makeAccount()];
    const made = await makeToken(own, { scopes: ["credits"] });
    expect(made.status).toBe(201);
    const life = Date.parse(made.body.expires_at) - Date.now();
    expect(life).toBeGreaterThan(800_000);
    expect(life).toBeLessThanOrEqual(900_000);
    const { token } = made.body;
    expect((await readBalance(token)).body.available).toBe(7);
    expect((await readBalance(token, foreign)).body.available).toBe(7);
    expect((await stage.call("/v1/styles", { bearer: token })).status).toBe(403);
    expect((await stage.call("/v1/api-keys", { bearer: token })).status).toBe(403);
    expect((await makeToken(own, { expires_in: 901 })).status).toBe(422);
    expect((await makeToken(own, { scopes: ["admin"] })).status).toBe(422);
    expect((await makeToken(randomUUID())).status).toBe(404);
  });

  it("is refused when it is over, changed anywhere, or of another deployment", async () => {
    const account = await stage.makeAccount();
    const { token } = (await makeToken(account)).body;
    let now = Date.now();
    const secrets = ["s".repeat(32)];
    const tokens = createAccountTokens({ secrets, mode: "test", now: () => now });
    expect(tokens.read(token)?.accountId).toBe(account);
    now += 901_000;
    expect(tokens.read(token)).toBeUndefined();
    now = Date.now();
    for (let at = 0; at < token.length; at++) {
      const wrong = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
      // The last character of each part may carry bits that mean nothing.
      const same = tokens.read(wrong);
      if (same) expect(wrong.slice(0, -1)).toBe(token.slice(0, -1));
    }
    const live = createAccountTokens({ secrets, mode: "live", now: () => now });
    expect(live.read(token)).toBeUndefined();
    const rotated = {
      secrets: ["n".repeat(32), ...secrets],
      mode: "test",
      now: () => now,
    } as const;
    expect(createAccountTokens(rotated).read(token)?.accountId).toBe(account);
  });

  it("is made by keys that may make accounts, with no more than they have", async () => {
    const account = await stage.makeAccount();
    const path = `/v1/accounts/${account}/tokens`;
    const { key } = (await make({ scopes: ["accounts", "credits"] })).body;
    const made = await stage.call(path, { bearer: key, body: {} });
    expect(made.body.scopes).toEqual(["credits"]);
    const more = await stage.call(path, { bearer: key, body: { scopes: ["generations"] } });
    expect(more.body.code).toBe("forbidden");
    const weak = (await make({ scopes: ["credits"] })).body;
    expect((await stage.call(path, { bearer: weak.key, body: {} })).status).toBe(403);
    const own = (await makeToken(account)).body.token;
    expect((await stage.call(path, { bearer: own, body: {} })).status).toBe(403);
  });
});
