import { randomUUID } from "node:crypto";
import { failItem } from "@ducat/db/items";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeOffer, makePaid } from "../../../../packages/db/test/billing-factories.ts";
import { fillAccount, findCanary } from "../../test/canaries.ts";
import { askCheckout, hear, pay } from "../../test/customer.ts";
import { askAuth, logIn, password, readToken, makePerson as signUp } from "../../test/person.ts";
import { makeForm, makePhoto } from "../../test/pictures.ts";
import { claim, settle } from "../../test/settle.ts";
import { eventually, order, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
});
afterAll(() => stage.close());

const erase = (account: string, body?: object) =>
  stage.call("/v1/me", { method: "DELETE", account, ...(body && { body }) });
const create = (account: string, more: object = {}) =>
  stage.call("/v1/generations", { account, key: randomUUID(), body: order(more) });

/** Signs up, with an address that was somebody's before. */
async function signUpAs(stage: Stage, email: string) {
  await askAuth(stage, "register", { email, password });
  await askAuth(stage, "verify-email", { token: await readToken(stage, email) });
  return await logIn(stage, email);
}

/** A vendor with everything that a person leaves behind, all of it marked. */
async function makePerson(canary: string): Promise<string> {
  const { body } = await stage.call("/v1/accounts", {
    body: {
      external_id: `${canary}-id`,
      kind: "vendor",
      name: canary,
      email: `${canary}@x.org`,
      phone: `+49${Date.now()}`,
    },
  });
  const account: string = body.id;
  const call = { account };
  const { raw, headers } = makeForm([{ bytes: await makePhoto(64, 48) }]);
  const uploads = await Promise.all(
    [1, 2].map(async () => (await stage.call("/v1/uploads", { ...call, raw, headers })).body.id),
  );
  await stage.call("/v1/me", { ...call, method: "PATCH", body: { avatar: uploads[0] } });
  const album = await stage.call("/v1/albums", {
    ...{ ...call, body: { name: canary, description: canary, is_public: true } },
  });
  const kept = await stage.call("/v1/uploads", { ...call, raw, headers });
  const details = { file_name: canary, tags: [canary], metadata: { [canary]: canary } };
  const picture = { upload_id: kept.body.id, ...details, album_id: album.body.id };
  expect((await stage.call("/v1/images", { ...call, body: picture })).status).toBe(201);
  const made = await create(account, {
    input: { type: "photo", photo_id: uploads[1] },
    areas: [`${canary} a`, `${canary} b`, `${canary} c`],
    reference: canary,
    subject: canary,
    metadata: { [canary]: canary },
    params: { note: canary },
  });
  expect(made.status).toBe(201);
  await settle(stage, account, made.body, ["completed", "text", "failed"]);
  await stage.db
    .admin`UPDATE ducat.generations SET webhook_url = ${canary} WHERE id = ${made.body.id}`;
  await stage.db.admin`
    UPDATE ducat.generation_items SET error_message = ${canary},
      output = CASE WHEN output->>'kind' = 'text'
        THEN output || jsonb_build_object('text', ${canary}::text) ELSE output END
    WHERE account_id = ${account} AND status <> 'pending'`;
  await stage.call("/v1/vendor", {
    ...call,
    method: "PUT",
    body: {
      business_name: canary,
      profile_info: canary,
      contact_info: { address: canary },
      social_links: { web: `https://${canary}.example/` },
    },
  });
  await stage.call("/v1/api-keys", { ...call, body: { name: canary, scopes: ["profile"] } });
  await fillAccount(stage, account, canary);
  return account;
}

describe("erasing an account", () => {
  it("leaves no personal text in any row, and no file", async () => {
    const canary = `canary-${randomUUID()}`;
    const account = await makePerson(canary);
    const { price } = await makeOffer(stage.db.admin);
    await makePaid(stage.db.app, account, { priceId: price.id, metadata: { who: canary } });
    const keys = await stage.db.admin<{ key: string }[]>`
      SELECT key FROM ducat.blobs WHERE account_id = ${account}`;
    expect(keys).toHaveLength(5);
    expect(Object.keys(await findCanary(stage, canary)).length).toBeGreaterThan(10);

    const done = await erase(account);
    expect([done.status, done.text]).toEqual([204, ""]);

    expect(await findCanary(stage, canary)).toEqual({});
    for (const { key } of keys) expect(await stage.deps.blobs.read(key)).toBeUndefined();
    const [row] = await stage.db.admin`
      SELECT to_jsonb(a) - 'id' - 'created_at' - 'updated_at' - 'erased_at' AS rest,
        erased_at IS NOT NULL AS erased FROM ducat.accounts a WHERE id = ${account}`;
    const gone = { external_id: null, name: null, email: null, phone: null, avatar: null };
    expect(row).toEqual({
      rest: {
        ...gone,
        kind: "vendor",
        bio: null,
        locale: "en",
        is_active: false,
        last_login_at: null,
      },
      erased: true,
    });
  });

  it("forgets what credits were bound to and orders led to, and of the ledger no line", async () => {
    const word = `canary-${randomUUID()}`;
    const account = await stage.makeAccount();
    const ask = (path: string, body: object) =>
      stage.call(path, { account, key: randomUUID(), body });
    const { price } = await makeOffer(stage.db.admin, { kind: "pass" });
    await makePaid(stage.db.app, account, { priceId: price.id, subject: word });
    await stage.db.admin`
      UPDATE ducat.payments SET return_url = ${`https://x.org/${word}`}, card_mask = ${word}
      WHERE account_id = ${account}`;
    await stage.db.admin`
      SELECT ducat.grant_credits(${account}, 'purchase', 20, 'a-key', p_subject => ${word})`;
    await ask("/v1/credits/consume", { amount: 2, description: word, subject: word });
    const hold = { amount: 3, description: word, subject: word };
    const made = await ask("/v1/credits/holds", hold);
    await ask(`/v1/credits/holds/${made.body.id}/release`, {});
    await ask("/v1/credits/holds", hold);
    const read = async () => {
      const [row] = await stage.db.admin`
        SELECT available, bound, held, seq FROM ducat.credit_accounts
        WHERE account_id = ${account}`;
      return row;
    };
    const before = await read();
    expect(before?.bound).toBe(115);
    const known = await findCanary(stage, word);
    const tables = ["credit_entries", "credit_grants", "credit_holds", "passes", "payments"];
    expect(Object.keys(known)).toEqual(tables.map((name) => `ducat.${name}`));

    expect((await erase(account)).status).toBe(204);

    expect(await findCanary(stage, word)).toEqual({ "ducat.credit_entries": 4 });
    expect(await read()).toEqual(before);
    // What was set aside comes back, to credits that are bound to something still.
    await stage.db.admin`
      UPDATE ducat.credit_holds SET expires_at = now() - interval '1 s'
      WHERE account_id = ${account} AND status = 'open'`;
    await stage.db.admin`
      UPDATE ducat.credit_accounts SET next_expiry_at = now() WHERE account_id = ${account}`;
    await stage.db.admin`SELECT ducat.expire_account(${account})`;
    expect(await read()).toMatchObject({ bound: 118, held: 0 });
  });

  it("keeps the ledger, the payments and the keys of requests as they were", async () => {
    const account = await makePerson(`canary-${randomUUID()}`);
    await stage.call("/v1/credits/consume", { account, key: "spent", body: { amount: 1 } });
    const { price } = await makeOffer(stage.db.admin);
    await makePaid(stage.db.app, account, { priceId: price.id });
    const read = async () => ({
      entries: await stage.db.admin`
        SELECT * FROM ducat.credit_entries WHERE account_id = ${account} ORDER BY seq`,
      grants: await stage.db.admin`
        SELECT * FROM ducat.credit_grants WHERE account_id = ${account} ORDER BY id`,
      balance: await stage.db.admin`
        SELECT available, trial, held, debt, seq, lifetime_granted, lifetime_used
        FROM ducat.credit_accounts WHERE account_id = ${account}`,
      payments: await stage.db.admin`
        SELECT id, status, amount, charged, credits_granted, provider_ref FROM ducat.payments
        WHERE account_id = ${account}`,
      keys: await stage.db.admin`
        SELECT scope, key, fingerprint, result FROM ducat.idempotency_keys
        WHERE account_id = ${account} UNION ALL
        SELECT 'generation', idempotency_key, fingerprint, NULL FROM ducat.generations
        WHERE account_id = ${account} ORDER BY 1, 2`,
      costs: await stage.db.admin`
        SELECT id, cost, captured, refunded, status FROM ducat.generation_items
        WHERE account_id = ${account} ORDER BY id`,
    });
    const before = await read();
    expect(before.entries.length).toBeGreaterThan(3);
    expect((await erase(account)).status).toBe(204);
    expect(await read()).toEqual(before);
  });

  it("shuts every way in, and nobody can let it back in", async () => {
    const account = await makePerson(`canary-${randomUUID()}`);
    const { body: key } = await stage.call("/v1/api-keys", {
      account,
      body: { name: "k", scopes: ["credits"] },
    });
    const { body: token } = await stage.call(`/v1/accounts/${account}/tokens`, { body: {} });
    const read = (bearer: string) => stage.call("/v1/credits/balance", { bearer });
    expect((await read(key.key)).status).toBe(200);
    expect((await read(token.token)).status).toBe(200);
    expect((await erase(account)).status).toBe(204);
    expect((await read(token.token)).body.code).toBe("forbidden");
    await eventually(async () => expect((await read(key.key)).status).toBe(401));
    for (const table of [
      "sessions",
      "account_logins",
      "external_identities",
      "vendors",
      "blobs",
      "images",
      "albums",
    ]) {
      const rows = await stage.db.admin`
        SELECT FROM ${stage.db.admin(`ducat.${table}`)} WHERE account_id = ${account}`;
      expect([table, rows.length]).toEqual([table, 0]);
    }
    const back = await stage.call(`/v1/admin/accounts/${account}/activate`, { method: "POST" });
    expect([back.status, back.body.reason]).toEqual([409, "erased"]);
    const shown = await stage.call(`/v1/admin/accounts/${account}`);
    expect(shown.body).toMatchObject({
      name: null,
      is_active: false,
      frozen: ["erased"],
      logins: [],
    });
    expect(shown.body.erased_at).not.toBeNull();
  });

  it("logs its person out for good, and gives no second trial", async () => {
    const { email, loginId } = await signUp(stage);
    const { access_token: bearer } = await logIn(stage, email);
    const { body: me } = await stage.call("/v1/me", { bearer });
    expect(me).toMatchObject({ email, kind: "user" });
    const read = () => stage.call("/v1/credits/balance", { bearer });
    expect((await read()).body.trial_credits).toBe(3);
    expect((await stage.call("/v1/me", { bearer, method: "DELETE" })).status).toBe(204);
    expect([401, 403]).toContain((await read()).status);
    await eventually(async () => expect((await read()).status).toBe(401));
    const again = await askAuth(stage, "login", { email, password });
    expect(again.status).toBe(401);
    expect(await stage.db.admin`SELECT FROM ducat.logins WHERE id = ${loginId}`).toEqual([]);
    expect(await findCanary(stage, email)).toEqual({});
    const token = (await signUpAs(stage, email)).access_token;
    const fresh = await stage.call("/v1/credits/balance", { bearer: token });
    expect(fresh.body.available).toBe(0);
  });

  it("is done once: a repeat is refused and changes nothing", async () => {
    const account = await makePerson(`canary-${randomUUID()}`);
    const parallel = await Promise.all([erase(account), erase(account), erase(account)]);
    const done = parallel.filter(({ status }) => status === 204);
    const refused = parallel.filter(({ status }) => [403, 409].includes(status));
    expect([done.length, refused.length]).toEqual([1, 2]);
    expect((await erase(account)).body.code).toBe("forbidden");
    const lines = await stage.db.admin`
      SELECT FROM ducat.audit_logs WHERE account_id = ${account} AND action = 'account.erase'`;
    expect(lines).toHaveLength(1);
  });

  it("frees the external id, the address and the number for a new account", async () => {
    const body = { external_id: "phoenix", email: "phoenix@x.org", phone: "+4915100000001" };
    const first = await stage.call("/v1/accounts", { body });
    expect((await erase("phoenix")).status).toBe(204);
    const refused = await stage.call("/v1/me", { account: "phoenix" });
    expect(refused.status).toBe(404);
    const second = await stage.call("/v1/accounts", { body });
    expect(second.status).toBe(201);
    expect(second.body.id).not.toBe(first.body.id);
    expect((await stage.call("/v1/me", { account: "phoenix" })).body.id).toBe(second.body.id);
  });

  it("leaves another account of the same login what is its own", async () => {
    const [one, two] = [await stage.makeAccount(), await stage.makeAccount()];
    const login = await fillAccount(stage, one, `canary-${randomUUID()}`);
    await stage.db.admin`
      INSERT INTO ducat.account_logins (account_id, login_id) VALUES (${two}, ${login})`;
    await stage.db.admin`
      INSERT INTO ducat.sessions (id, login_id, account_id, expires_at)
      VALUES (gen_random_uuid(), ${login}, ${two}, now() + interval '1 day')`;
    const countSessions = async () =>
      (await stage.db.admin`SELECT FROM ducat.sessions WHERE login_id = ${login}`).length;
    expect((await erase(one)).status).toBe(204);
    expect(await countSessions()).toBe(1);
    expect(await stage.db.admin`SELECT FROM ducat.logins WHERE id = ${login}`).toHaveLength(1);
    expect((await erase(two)).status).toBe(204);
    expect(await countSessions()).toBe(0);
    expect(await stage.db.admin`SELECT FROM ducat.logins WHERE id = ${login}`).toHaveLength(0);
  });

  it("touches no other account", async () => {
    const canary = `canary-${randomUUID()}`;
    const other = await makePerson(canary);
    const before = await findCanary(stage, canary);
    const account = await makePerson(`canary-${randomUUID()}`);
    expect((await erase(account)).status).toBe(204);
    expect(await findCanary(stage, canary)).toEqual(before);
    expect((await stage.call("/v1/me", { account: other })).body.name).toBe(canary);
  });

  it.each([
    ["no JSON", { headers: { "content-type": "application/json" }, raw: "{" }, "malformed_body"],
    [
      "another type",
      { headers: { "content-type": "text/plain" }, raw: "{}" },
      "unsupported_media_type",
    ],
    ["no boolean", { body: { confirm: "yes" } }, "validation_failed"],
    ["more members", { body: { confirm: true, sure: true } }, "validation_failed"],
  ])("is not asked for by %s", async (_, how, code) => {
    const account = await stage.makeAccount();
    const refused = await stage.call("/v1/me", { method: "DELETE", account, ...how });
    expect(refused.body.code).toBe(code);
    expect((await stage.call("/v1/me", { account })).status).toBe(200);
  });
});

describe("erasing an account where something runs", () => {
  it("waits for a word, then ends what has not begun and pays it back", async () => {
    const account = await stage.makeAccount();
    const canary = `canary-${randomUUID()}`;
    await create(account, { reference: canary });
    for (const body of [undefined, {}, { confirm: false }]) {
      const refused = await erase(account, body);
      expect([refused.status, refused.body.reason, refused.body.open]).toEqual([
        409,
        "generations",
        1,
      ]);
    }
    expect(Object.keys(await findCanary(stage, canary))).not.toEqual([]);
    expect((await erase(account, { confirm: true })).status).toBe(204);
    expect(await findCanary(stage, canary)).toEqual({});
    const [balance] = await stage.db.admin`
      SELECT available, held FROM ducat.credit_accounts WHERE account_id = ${account}`;
    expect(balance).toEqual({ available: 3, held: 0 });
  });

  it("asks for a little time while a provider is at work, and changes nothing until then", async () => {
    const account = await stage.makeAccount();
    const made = await create(account);
    const item = made.body.items[0].id;
    const claimed = await claim(stage, account, made.body.id, item);
    const refused = await erase(account, { confirm: true });
    expect([refused.status, refused.body.reason]).toEqual([409, "generations"]);
    const [row] = await stage.db.admin`
      SELECT cancel_requested_at IS NOT NULL AS asked FROM ducat.generation_items
      WHERE id = ${item}`;
    expect(row).toEqual({ asked: true });
    expect((await stage.call("/v1/me", { account })).body.is_active).toBe(true);
    const failure = { code: "provider_refused", message: "No.", retryable: false };
    await failItem(stage.db.worker, claimed, { ...failure, delaySeconds: 0 });
    expect((await erase(account, { confirm: true })).status).toBe(204);
  });

  it("loses no generation that is asked for at the same time", async () => {
    for (let round = 0; round < 5; round++) {
      const account = await stage.makeAccount(20);
      const canary = `canary-${randomUUID()}`;
      const creates = Array.from({ length: 8 }, () => create(account, { reference: canary }));
      const erasing = [erase(account, { confirm: true }), erase(account, { confirm: true })];
      await Promise.all([...creates, ...erasing]);
      await eventually(async () => {
        const { status } = await erase(account, { confirm: true });
        expect(status).toBe(403);
      });
      expect(await findCanary(stage, canary)).toEqual({});
    }
  });

  it("lets a subscription run out that can't end now", async () => {
    const account = await stage.makeAccount();
    const { price } = await makeOffer(stage.db.admin, { kind: "plan" }, { interval: "month" });
    const provider = "zarinpal";
    await makePaid(stage.db.app, account, { priceId: price.id, provider, purpose: "subscription" });
    const read = async () => (await stage.call("/v1/subscription", { account })).body;
    expect(await read()).toMatchObject({ status: "active", cancel_at: null });
    const refused = await erase(account);
    expect([refused.status, refused.body.reason]).toEqual([409, "subscription"]);
    expect((await erase(account, { confirm: true })).status).toBe(204);
    const [row] = await stage.db.admin`
      SELECT cancel_at IS NOT NULL AS ends FROM ducat.subscriptions WHERE account_id = ${account}`;
    expect(row).toEqual({ ends: true });
  });

  it("ends a subscription now where its provider can", async () => {
    const account = await stage.makeAccount();
    const plan = { kind: "plan", credits: 100 } as const;
    const { price } = await makeOffer(stage.db.admin, plan, { interval: "month" });
    const { body } = await askCheckout(stage, account, { price_id: price.id });
    await pay(stage, body.url);
    await hear(stage);
    expect((await erase(account)).body.reason).toBe("subscription");
    expect((await erase(account, { confirm: true })).status).toBe(204);
    const rows = await stage.db.admin`
      SELECT status FROM ducat.subscriptions WHERE account_id = ${account}`;
    expect(rows).toEqual([{ status: "canceled" }]);
  });
});
