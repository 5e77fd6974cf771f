import { createHash, randomBytes, randomUUID } from "node:crypto";
import { DomainError } from "@ducat/types/errors";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeOffer, makePaid } from "../test/billing-factories.ts";
import { cloneDatabase, type TestDatabase } from "../test/clone.ts";
import { givePurchase, makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { keepImage, makeResult, makeThumbnail } from "../test/gallery.ts";
import { assertInvariants } from "../test/invariants.ts";
import { relayAll } from "../test/relay.ts";
import { makeEndpoint, planEvents, sealedSecret } from "../test/webhooks.ts";
import { claim, output } from "../test/work.ts";
import { createAlbum, deleteAlbum, listAlbums, updateAlbum } from "./albums.ts";
import { createApiKey, findApiKey, revokeApiKey, rotateApiKey } from "./api-keys.ts";
import { findUpload, insertUpload } from "./blobs.ts";
import { findCachedResult } from "./cached-results.ts";
import { beginClockRun, recordTick, tickClock } from "./clock.ts";
import { captureHold, clawBack, findBalance, holdCredits, listEntries } from "./credits.ts";
import { removeFeatureOverride, setFeatureOverride } from "./entitlements.ts";
import { listEvents, readGenerationStream } from "./events.ts";
import { refundGeneration } from "./generation-refunds.ts";
import {
  cancelGeneration,
  deleteGeneration,
  findGeneration,
  findStatus,
  isKeyUsed,
  listGenerations,
} from "./generations.ts";
import { deleteImage, listImages, prepareImage, saveImage, updateImage } from "./images.ts";
import { failImportFile, type ImportFile, keepImportFile } from "./imports.ts";
import {
  type ClaimedItem,
  claimItem,
  completeItem,
  deferItem,
  endDueItem,
  extendLease,
  failItem,
  saveProviderRequest,
} from "./items.ts";
import { type ClaimedMessage, claimMessages, recordMessage } from "./messages.ts";
import { listPayments } from "./payment-list.ts";
import { findPayment, openPayment, type Payment } from "./payments.ts";
import { closeRefund, recordRefund, reserveRefund } from "./refunds.ts";
import { createSession, switchSession } from "./sessions.ts";
import { makeStreamTicket } from "./stream-tickets.ts";
import { findSubscription } from "./subscriptions.ts";
import { challengeTotp } from "./totp.ts";
import { releaseUsage, trackUsage } from "./usage.ts";
import {
  type Claimed,
  claimDeliveries,
  findDelivery,
  listDeliveries,
  releaseDelivery,
  replayDeliveries,
  replayDelivery,
  settleDelivery,
} from "./webhook-deliveries.ts";
import {
  deleteEndpoint,
  findEndpoint,
  readEndpointSecrets,
  rotateSecret,
  testEndpoint,
  updateEndpoint,
} from "./webhook-endpoints.ts";

let database: TestDatabase;
let victim: Awaited<ReturnType<typeof makeVictim>>;
let intruder: string;
beforeAll(async () => {
  database = await cloneDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  victim = await makeVictim();
  intruder = (await makeAccount(database.app, 50)).id;
});
afterEach(() => assertInvariants(database.admin));

const audit = { actor: "test", request_id: "test", ip: null };

/** An account with one of everything that has an id. */
async function makeVictim() {
  const { app, worker } = database;
  const { id: accountId } = await makeAccount(app);
  const grant = await givePurchase(app, accountId, 20);
  const hold = await holdCredits(app, accountId, { ...makeKey(), amount: 2, expiresInSeconds: 60 });
  const key = makeKey();
  const done = await makeGeneration(app, accountId, key);
  const resultKey = createHash("sha256").update("a request").digest();
  const first = await claim(worker, accountId, done);
  await completeItem(worker, first, { output, usage: {}, resultKey });
  const open = await makeGeneration(app, accountId, { labels: ["claimed", "pending"] });
  const item = await claim(worker, accountId, open);
  const upload = await insertUpload(app, accountId, {
    key: `${accountId}/inputs/x.webp`,
    sha256: "x",
    type: "image/webp",
    size: 1,
    width: 1,
    height: 1,
    lifetimeSeconds: 60,
  });
  const album = await createAlbum(app, accountId, { name: "Summer" });
  const result = await makeResult({ app, worker }, accountId);
  const image = await keepImage(app, accountId, { itemId: result.itemId }, { album_id: album.id });
  const gallery = { albumId: album.id, imageId: image.id, itemId: result.itemId };
  const usage = await makeUsage(accountId);
  const bought = await makePurchases(accountId);
  const message = await makeMessage(accountId);
  const apiKey = await createApiKey(app, accountId, makeServerKey());
  const logins = await makeLogins(accountId);
  const clock = await makeStep(accountId);
  const file = await makeFile(accountId);
  const delivery = await makeDelivery(accountId);
  const made = { accountId, grant, hold, key, done, resultKey, open, item, upload, bought };
  return { ...made, delivery, message, gallery, apiKey, logins, clock, usage, file };
}

async function makeLogins(accountId: string) {
  const simple = await makeLogin(accountId);
  const guarded = await makeLogin((await makeAccount(database.app)).id);
  await database.admin`
    INSERT INTO ducat.login_totps (login_id, secret, active_at)
    VALUES (${guarded}, sha256('x'), now())`;
  const session = randomUUID();
  await database.admin`
    INSERT INTO ducat.sessions (id, login_id, account_id, expires_at)
    VALUES (${session}, ${simple}, ${accountId}, now() + interval '1 day')`;
  return { simple, guarded, session };
}

/** A step of its clock that is not done yet. */
async function makeStep(accountId: string) {
  await beginClockRun(database.app, accountId, { ...makeKey(), seconds: 60, audit });
  const step = await tickClock(database.app, accountId, { ticks: 0 });
  if (!step) throw new Error("the clock has no step");
  return step;
}

/** A picture of a former system that is still to be fetched. */
async function makeFile(accountId: string): Promise<ImportFile> {
  const [file] = await database.admin<ImportFile[]>`
    INSERT INTO ducat.import_files (account_id, source, row_key, purpose, url, details)
    VALUES (${accountId}, 'test', ${randomUUID()}, 'image', 'https://x.example/a.png', '{}')
    RETURNING account_id, id, row_key, purpose, url`;
  if (!file) throw new Error("no file was made");
  return file;
}

async function makeLogin(accountId: string): Promise<string> {
  const [login] = await database.admin<{ id: string }[]>`
    WITH made AS (INSERT INTO ducat.logins (verified_at) VALUES (now()) RETURNING id),
      bound AS (INSERT INTO ducat.account_logins (account_id, login_id)
        SELECT ${accountId}, id FROM made)
    SELECT id FROM made`;
  return login?.id ?? "";
}

/** A refund that nobody can tell the outcome of. */
async function makeOpenRefund(accountId: string, paymentId: string): Promise<string> {
  const { app, worker } = database;
  const request = { ...makeKey(), paymentId, amount: 1, reason: "x", audit };
  const { refund } = await reserveRefund(app, accountId, request);
  await recordRefund(worker, refund.id, { status: "unknown", error: "lost" });
  return refund.id;
}

/** An event that took of a feature, and an administrator's word about another. */
async function makeUsage(accountId: string) {
  const { app } = database;
  const eventId = randomUUID();
  const overridden = "daily_designs";
  await trackUsage(app, accountId, { feature: "gallery_images", amount: 1, eventId });
  await setFeatureOverride(app, accountId, { feature: overridden, value: 5, audit });
  return { eventId, overridden };
}

function makeServerKey() {
  const id = randomBytes(4).toString("hex");
  const hash = createHash("sha256").update(id).digest();
  return { id, hash, name: "a server", scopes: ["credits"], audit };
}

/** A payment that succeeded, and a subscription with the price that it would be renewed at. */
async function makePurchases(accountId: string) {
  const { admin, app } = database;
  const pack = await makeOffer(admin);
  const payment: Payment = await makePaid(app, accountId, { priceId: pack.price.id });
  const plan = await makeOffer(admin, { kind: "plan" }, { interval: "month" });
  const [subscription] = await admin<{ id: string }[]>`
    INSERT INTO ducat.subscriptions (account_id, product_id, provider, mode, status, interval,
      started_at)
    VALUES (${accountId}, ${plan.product.id}, 'sandbox', 'test', 'active', 'month', now())
    RETURNING id`;
  const other = await makePaid(app, accountId, { priceId: pack.price.id });
  const refund = { paymentId: other.id, refundId: await makeOpenRefund(accountId, other.id) };
  return { payment, refund, subscriptionId: subscription?.id ?? "", priceId: plan.price.id };
}

/** An event on its way to an endpoint. */
async function makeDelivery(accountId: string): Promise<Claimed> {
  await makeEndpoint(database.app, accountId);
  await planEvents(database.admin, accountId, {});
  const claimed = await claimDeliveries(database.worker, { limit: 100, leaseSeconds: 60 });
  const delivery = claimed.find((one) => one.accountId === accountId);
  if (!delivery) throw new Error("no delivery was claimed");
  return delivery;
}

/** A message that a worker is sending. */
async function makeMessage(accountId: string): Promise<ClaimedMessage> {
  const { admin, worker } = database;
  await admin`UPDATE ducat.accounts SET email = ${`${accountId}@home.example`}
    WHERE id = ${accountId}`;
  await admin`SELECT ducat.queue_message(${accountId}, 'test', '{}', 'test')`;
  const [message] = await claimMessages(worker, { channel: "email", limit: 1, leaseSeconds: 60 });
  if (!message) throw new Error("no message was claimed");
  return message;
}

/** Every row of an account, as text. */
async function readRows(accountId: string): Promise<string> {
  const tables = await database.admin<{ name: string }[]>`
    SELECT relname AS name FROM pg_class WHERE relnamespace = 'ducat'::regnamespace
      AND relkind = 'r' AND relrowsecurity ORDER BY relname`;
  const rows = await Promise.all(
    tables.map(({ name }) => {
      const column = name === "accounts" ? "id" : "account_id";
      return database.admin.unsafe(
        `SELECT to_jsonb(t)::text AS row FROM ducat.${name} t WHERE ${column} = $1 ORDER BY 1`,
        [accountId],
      );
    }),
  );
  return JSON.stringify(rows);
}

type Call = () => Promise<unknown>;

/** The victim's ids under the intruder's account, as each function would take them. */
function listAttempts(): Record<string, Call> {
  const { app, worker } = database;
  const { grant, hold, done, open, item, key } = victim;
  const pending = open.item_ids[1] ?? "";
  const stolen: ClaimedItem = { ...item, account_id: intruder };
  const refund = { ...makeKey(), id: done.id, reason: "test", audit };
  const target = { accountId: intruder, generationId: open.id, itemId: pending };
  return {
    capture_hold: () => captureHold(app, intruder, { holdId: hold.id, amount: 1 }),
    claw_back: () => clawBack(worker, intruder, { grantId: grant.grant_id, reversed: 5 }),
    cancel_generation: () => cancelGeneration(app, intruder, open.id),
    delete_generation: () => deleteGeneration(app, intruder, done.id),
    refund_generation: () => refundGeneration(app, intruder, refund),
    claim_item: () => claimItem(worker, { ...target, attempt: 0 }, 60),
    extend_lease: () => extendLease(worker, stolen, 600),
    save_provider_request: () => saveProviderRequest(worker, stolen, "request-1"),
    defer_item: () => deferItem(worker, stolen, 0),
    complete_item: () => completeItem(worker, stolen, { output, usage: {} }),
    fail_item: () =>
      failItem(worker, stolen, { code: "x", message: "x", retryable: false, delaySeconds: 0 }),
    end_due_item: () => endDueItem(worker, target),
    find_cached_result: () =>
      findCachedResult(worker, intruder, { key: victim.resultKey, days: 9 }),
    record_message: () =>
      recordMessage(worker, { ...victim.message, accountId: intruder }, { outcome: "sent" }),
    request_payment: () => {
      const { priceId, subscriptionId } = victim.bought;
      const order = { purpose: "renewal", priceId, subscriptionId } as const;
      return openPayment(app, intruder, { ...order, provider: "sandbox", mode: "test" });
    },
    reserve_refund: () =>
      reserveRefund(app, intruder, {
        ...makeKey(),
        paymentId: victim.bought.payment.id,
        reason: "x",
        audit,
      }),
    close_refund: () =>
      closeRefund(app, intruder, {
        ...victim.bought.refund,
        outcome: "succeeded",
        reason: "x",
        audit,
      }),
    create_session: () => {
      const who = { loginId: victim.logins.simple, accountId: intruder };
      const hash = createHash("sha256").update("x").digest("hex");
      const hashes = { access_hash: hash, refresh_hash: hash };
      return createSession(app, who, { id: randomUUID(), ...hashes });
    },
    switch_session: async () => {
      const { simple: loginId, session: sessionId } = victim.logins;
      const hash = createHash("sha256").update("x").digest("hex");
      const session = { id: randomUUID(), access_hash: hash, refresh_hash: hash };
      return switchSession(app, { loginId, sessionId }, { accountId: intruder, session });
    },
    challenge_totp: () =>
      challengeTotp(app, randomBytes(32), { loginId: victim.logins.guarded, accountId: intruder }),
    find_api_key: () => findApiKey(app, intruder, victim.apiKey.id),
    revoke_api_key: () => revokeApiKey(app, intruder, { id: victim.apiKey.id, audit }),
    rotate_api_key: () =>
      rotateApiKey(app, intruder, {
        ...makeServerKey(),
        oldId: victim.apiKey.id,
        overlapSeconds: 0,
      }),
    refill_subscription: async () => {
      const [row] = await worker<{ months: number }[]>`
        SELECT ducat.refill_subscription(${intruder}, ${victim.bought.subscriptionId}) AS months`;
      return row?.months !== 0;
    },
    advance_own_subscription: async () => {
      const [row] = await worker<{ changed: boolean }[]>`
        SELECT ducat.advance_own_subscription(${intruder}, ${victim.bought.subscriptionId})
          AS changed`;
      return row?.changed;
    },
    record_tick: () => recordTick(app, intruder, victim.clock),
    run_account_due: async () => {
      const { subscriptionId } = victim.bought;
      const [row] = await app<{ changed: boolean }[]>`
        SELECT ducat.run_account_due(${intruder}, 'period', ${subscriptionId})
          OR ducat.run_account_due(${intruder}, 'month', ${subscriptionId}) AS changed`;
      return row?.changed;
    },
    prepare_image: () => prepareImage(app, intruder, { uploadId: victim.upload.id }),
    save_image: () =>
      saveImage(app, intruder, {
        source: { itemId: victim.gallery.itemId },
        details: {},
        thumbnail: makeThumbnail(intruder),
      }),
    update_image: () =>
      updateImage(app, intruder, { id: victim.gallery.imageId, change: { is_public: true } }),
    delete_image: () => deleteImage(app, intruder, victim.gallery.imageId),
    keep_import_file: () => {
      const thumbnail = makeThumbnail(intruder);
      const file = { ...victim.file, account_id: intruder };
      return keepImportFile(worker, file, { blob: makeThumbnail(intruder), thumbnail });
    },
    fail_import_file: () =>
      failImportFile(
        worker,
        { ...victim.file, account_id: intruder },
        { error: "x", isFinal: true },
      ),
    list_events: async () => {
      const [after] = await database.admin<{ id: string }[]>`
        SELECT id FROM ducat.outbox WHERE account_id = ${victim.accountId} LIMIT 1`;
      return listEvents(app, intruder, { after: after?.id, limit: 100 });
    },
    read_generation_stream: () =>
      readGenerationStream(app, intruder, { generationId: open.id, endedNo: 0, limit: 100 }),
    ...listWebhookAttempts(),
    make_stream_ticket: () =>
      makeStreamTicket(app, {
        ...{ accountId: intruder, generationId: done.id, actor: "root", sessionId: undefined },
        ...{ scopes: [], endsAt: undefined, hash: randomBytes(32), seconds: 60 },
      }),
    release_usage: () => releaseUsage(app, intruder, victim.usage.eventId),
    remove_feature_override: () =>
      removeFeatureOverride(app, intruder, { feature: victim.usage.overridden, audit }),
    update_album: () =>
      updateAlbum(app, intruder, { id: victim.gallery.albumId, change: { name: "x" } }),
    delete_album: () => deleteAlbum(app, intruder, victim.gallery.albumId),
    findSubscription: () => findSubscription(app, intruder),
    findPayment: () => findPayment(app, intruder, victim.bought.payment.id),
    findGeneration: () => findGeneration(app, intruder, open.id),
    findStatus: () => findStatus(app, intruder, open.id),
    findUpload: () => findUpload(app, intruder, victim.upload.id),
    isKeyUsed: () => isKeyUsed(app, intruder, key.key),
  };
}

function listWebhookAttempts(): Record<string, Call> {
  const { app, worker } = database;
  const { endpointId, id } = victim.delivery;
  const endpoint = { id: endpointId, audit };
  const delivery = { endpointId, id, audit };
  const stolen = { ...victim.delivery, accountId: intruder };
  const secret = sealedSecret();
  const wish = { endpointId, audit, what: "failed", limit: 9, dryRun: false } as const;
  const nothing = <T>(list: T[]) => (list.length === 0 ? undefined : list);
  return {
    update_webhook_endpoint: () => updateEndpoint(app, intruder, { ...endpoint, events: null }),
    delete_webhook_endpoint: async () => {
      await deleteEndpoint(app, intruder, endpoint);
      return true;
    },
    find_webhook_endpoint: () => findEndpoint(app, intruder, endpointId),
    read_endpoint_secrets: () => readEndpointSecrets(app, intruder, endpointId),
    rotate_endpoint_secret: () =>
      rotateSecret(app, intruder, { ...endpoint, secret, overlapSeconds: 0 }),
    test_webhook_endpoint: () => testEndpoint(app, intruder, endpoint),
    find_webhook_delivery: () => findDelivery(app, intruder, delivery),
    list_webhook_deliveries: async () =>
      nothing(await listDeliveries(app, intruder, { endpointId, limit: 9 })),
    replay_webhook_delivery: () => replayDelivery(app, intruder, delivery),
    replay_webhook_deliveries: () => replayDeliveries(app, intruder, wish),
    settle_delivery: async () =>
      (await settleDelivery(worker, { ...stolen, result: { ok: true, ms: 1 } })) ?? undefined,
    release_delivery: () => releaseDelivery(worker, stolen),
  };
}

/** Functions of one account that take no id of anything else, and so have nothing to mix up. */
const alone = [
  ...["read_account_stream"],
  ...["adjust_credits", "advance_clock", "cancel_own", "claim_request", "consume_credits"],
  ...["create_album", "create_api_key", "create_batch", "create_generation", "erase_account"],
  ...["expire_account"],
  ...["freeze_account", "list_account_logins", "list_running", "save_vendor"],
  ...["list_waiting_items", "begin_clock_run", "tick_clock", "list_subscription_pages"],
  ...["get_alerts", "note_account_token", "raise_alerts", "set_alerts"],
  ...["set_account_active", "update_profile", "verify_vendor"],
  ...["get_auto_reload", "get_credit_balance", "grant_credits", "hold_credits"],
  ...["keep_request_answer", "list_api_keys", "redeem_code", "refill_account"],
  ...["remove_outdated_results", "summarize_usage"],
  ...["release_request", "reserve_reload", "resume_own", "schedule_change", "search_payments"],
  ...["search_audit_logs", "search_generations"],
  ...["set_auto_reload"],
  ...["add_allowance", "assign_plan", "find_entitlements", "lift_plan"],
  ...["refill_base"],
  ...["set_feature_override", "track_usage"],
  ...["create_webhook_endpoint", "list_webhook_endpoints", "ensure_webhook_secret"],
  ...["rotate_webhook_secret", "search_webhook_deliveries"],
];

describe("another account's ids", () => {
  it("answer as if there were nothing, and change nothing, in any function", async () => {
    await relayAll(database.worker);
    const before = [await readRows(victim.accountId), await readRows(intruder)];
    for (const [name, call] of Object.entries(listAttempts())) {
      const answer = await call().catch((error: unknown) => {
        if (error instanceof DomainError) return error.code;
        throw error;
      });
      expect([undefined, false, "lost", "not_found"], name).toContain(answer);
    }
    expect([await readRows(victim.accountId), await readRows(intruder)]).toEqual(before);
  });

  it("are tried on every function that takes an account", async () => {
    const functions = await database.admin<{ name: string }[]>`
      SELECT proname AS name FROM pg_proc
      WHERE pronamespace = 'ducat'::regnamespace AND 'p_account_id' = ANY (proargnames)
        AND (has_function_privilege('ducat_app', oid, 'EXECUTE')
          OR has_function_privilege('ducat_worker', oid, 'EXECUTE'))
      ORDER BY 1`;
    const tried = Object.keys(listAttempts()).filter((name) => name.includes("_"));
    expect(functions.map(({ name }) => name)).toEqual([...tried, ...alone].sort());
  });

  it("and keys are apart: a key of one account is free in the other", async () => {
    const made = await makeGeneration(database.app, intruder, victim.key);
    expect(made).toMatchObject({ replayed: false });
    expect(made.id).not.toBe(victim.done.id);
    const { grant_id: grantId } = await givePurchase(database.app, intruder, 1);
    expect(grantId).not.toBe(victim.grant.grant_id);
  });

  it("stay out of lists, balances and histories", async () => {
    const { app } = database;
    const lists = JSON.stringify([
      await listGenerations(app, intruder, { limit: 100 }),
      await listEntries(app, intruder, { limit: 100 }),
      await listPayments(app, intruder, { limit: 100 }),
      await listImages(app, intruder, { limit: 100 }),
      await listAlbums(app, intruder, { limit: 100 }),
      await findBalance(app, intruder),
    ]);
    const { grant, hold, done, open, bought } = victim;
    const ids = [grant.grant_id, hold.id, done.id, open.id, bought.payment.id];
    for (const id of [victim.accountId, ...ids]) {
      expect(lists).not.toContain(id);
    }
  });

  it("of a retry don't reach into it: what is copied is what the caller gave", async () => {
    const made = await makeGeneration(database.app, intruder, { retryOf: victim.done.id });
    const before = await readRows(victim.accountId);
    await cancelGeneration(database.app, intruder, made.id);
    expect(await readRows(victim.accountId)).toBe(before);
  });
});
