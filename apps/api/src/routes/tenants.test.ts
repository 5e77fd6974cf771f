import { randomUUID } from "node:crypto";
import { METHOD_NAME_ALL } from "hono/router";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeOffer, makePaid } from "../../../../packages/db/test/billing-factories.ts";
import { makeForm, makePhoto } from "../../test/pictures.ts";
import { settle } from "../../test/settle.ts";
import { type Answer, type Call, order, type Stage, setStage } from "../../test/stage.ts";

/** In every text of the first account, and in no answer to the second. */
const canary = "canary-7f3a9c";

describe("another account's things", () => {
  let stage: Stage;
  let owner: string;
  let stranger: string;
  /** Everything of the owner's that has an id, and the words that must not leak. */
  let ids: Record<
    | ("generation" | "running" | "item" | "hold" | "upload" | "payment" | "key")
    | ("image" | "album" | "endpoint" | "delivery"),
    string
  >;
  let cursors: string[];
  let signed: URL;

  beforeAll(async () => {
    stage = await setStage();
    const account = await stage.call("/v1/accounts", {
      body: { external_id: `${canary}-owner`, name: canary, email: `${canary}@x.org` },
    });
    owner = account.body.id;
    stranger = await stage.makeAccount(20);
    await asOwner(`/v1/admin/accounts/${owner}/credits`, { body: { amount: 9, reason: canary } });
    const { raw, headers } = makeForm([{ bytes: await makePhoto() }]);
    const upload = await asOwner("/v1/uploads", { raw, headers });
    const body = order({
      input: { type: "photo", photo_id: upload.body.id },
      areas: [`${canary} a`, `${canary} b`],
      reference: canary,
      subject: canary,
      metadata: { [canary]: canary },
      params: { note: canary },
    });
    const made = await asOwner("/v1/generations", { body, key: canary });
    await settle(stage, owner, made.body, ["completed", "failed"]);
    const running = await asOwner("/v1/generations", { body });
    const hold = await asOwner("/v1/credits/holds", { body: { amount: 1, description: canary } });
    await asOwner("/v1/credits/consume", { body: { amount: 1, description: canary } });
    const { price } = await makeOffer(stage.db.admin);
    const buy = { priceId: price.id, metadata: { [canary]: canary } };
    await makePaid(stage.db.app, owner, buy);
    const bought = await makePaid(stage.db.app, owner, buy);
    const key = await asOwner("/v1/api-keys", { body: { name: canary, scopes: ["credits"] } });
    const hook = { url: `https://hooks.example/${canary}`, description: canary };
    const endpoint = (await asOwner("/v1/webhook-endpoints", { body: hook })).body.id;
    const tested = `/v1/webhook-endpoints/${endpoint}/test`;
    const delivery = (await asOwner(tested, { method: "POST" })).body.id;
    const kept: string[] = [];
    const albums: string[] = [];
    for (const name of [`${canary} a`, `${canary} b`]) {
      albums.push((await asOwner("/v1/albums", { body: { name } })).body.id);
      const { body: more } = await asOwner("/v1/uploads", { raw, headers });
      const picture = { upload_id: more.id, file_name: name, tags: [canary], album_id: albums[0] };
      kept.push((await asOwner("/v1/images", { body: picture })).body.id);
    }
    ids = {
      image: kept[0] ?? "",
      album: albums[0] ?? "",
      ...{ key: key.body.id, endpoint, delivery },
      payment: bought.id,
      generation: made.body.id,
      running: running.body.id,
      item: made.body.items[0].id,
      hold: hold.body.id,
      upload: upload.body.id,
    };
    const shown = await asOwner(`/v1/generations/${ids.generation}`);
    signed = new URL(shown.body.items[0].output.url);
    const pages = await Promise.all([
      asOwner("/v1/generations?limit=1"),
      asOwner("/v1/credits/transactions?limit=1"),
      asOwner("/v1/payments?limit=1"),
      asOwner("/v1/images?limit=1"),
      asOwner("/v1/albums?limit=1"),
    ]);
    cursors = pages.map(({ body: page }) => page.next_cursor);
    expect(cursors.every((cursor) => typeof cursor === "string")).toBe(true);
  });
  afterAll(() => stage.close());

  const asOwner = (path: string, call: Call = {}) =>
    stage.call(path, { account: owner, key: randomUUID(), ...call });
  const asStranger = (path: string, call: Call = {}) =>
    stage.call(path, { account: stranger, key: randomUUID(), ...call });
  const assertSilent = ({ text, headers }: Answer) => {
    const all = `${text}${JSON.stringify([...headers])}`;
    for (const secret of [canary, owner, ...Object.values(ids)]) expect(all).not.toContain(secret);
  };

  /** For each route with an id: the ids of the owner's that fit it, and what else it needs. */
  const foreign = (): [string, string[], Call?][] => [
    ["GET /v1/generations/{id}", [ids.generation, ids.running]],
    ["DELETE /v1/generations/{id}", [ids.generation]],
    ["POST /v1/generations/{id}/cancel", [ids.running]],
    ["POST /v1/generations/{id}/retry", [ids.generation]],
    ["GET /v1/generations/{id}/events", [ids.generation, ids.running]],
    ["GET /v1/generations/{id}/items", [ids.generation, ids.running]],
    ["GET /v1/generations/{id}/results", [ids.generation, ids.running]],
    ["GET /v1/generations/{id}/errors", [ids.generation, ids.running]],
    ["GET /v1/images/{id}", [ids.image]],
    ["PATCH /v1/images/{id}", [ids.image], { body: { is_public: true } }],
    ["DELETE /v1/images/{id}", [ids.image]],
    ["GET /v1/albums/{id}", [ids.album]],
    ["PATCH /v1/albums/{id}", [ids.album], { body: { is_public: true } }],
    ["DELETE /v1/albums/{id}", [ids.album]],
    ["POST /v1/credits/holds/{id}/capture", [ids.hold], { body: { amount: 1 } }],
    ["POST /v1/credits/holds/{id}/release", [ids.hold]],
    ["DELETE /v1/api-keys/{id}", [ids.key]],
    ["POST /v1/api-keys/{id}/rotate", [ids.key], { body: {} }],
    ["GET /v1/payments/{id}", [ids.payment]],
    ["GET /v1/payments/{id}/receipt", [ids.payment]],
    ["GET /v1/webhook-endpoints/{id}", [ids.endpoint]],
    ["PATCH /v1/webhook-endpoints/{id}", [ids.endpoint], { body: { status: "disabled" } }],
    ["DELETE /v1/webhook-endpoints/{id}", [ids.endpoint]],
    ["GET /v1/webhook-endpoints/{id}/secret", [ids.endpoint]],
    ["POST /v1/webhook-endpoints/{id}/rotate", [ids.endpoint], { body: {} }],
    ["POST /v1/webhook-endpoints/{id}/test", [ids.endpoint]],
    ["POST /v1/webhook-endpoints/{id}/replay", [ids.endpoint], { body: {} }],
    ["GET /v1/webhook-endpoints/{id}/deliveries", [ids.endpoint]],
    ["GET /v1/webhook-endpoints/{id}/deliveries/{delivery_id}", [ids.endpoint]],
    ["POST /v1/webhook-endpoints/{id}/deliveries/{delivery_id}/replay", [ids.endpoint]],
    ["POST /v1/admin/generations/{id}/refund", [ids.generation], { body: { reason: "r" } }],
  ];

  it("are 404 by id on every route, like ids of nobody", async () => {
    for (const [route, known, call] of foreign()) {
      const [method = "", path = ""] = route.split(" ");
      for (const id of [...known, ids.item, ids.upload, owner]) {
        const at = (one: string) =>
          path.replace("{id}", one).replace("{delivery_id}", ids.delivery);
        const refused = await asStranger(at(id), { method, ...call });
        const unknown = await asStranger(at(randomUUID()), { method, ...call });
        expect([route, refused.status, refused.body.code]).toEqual([route, 404, "not_found"]);
        const { request_id: _, ...body } = refused.body;
        const { request_id: __, ...other } = unknown.body;
        expect(body).toEqual(other);
        assertSilent(refused);
      }
    }
  });

  it("are tried on every route that has an id", () => {
    const tried = foreign().map(([route]) => route);
    // Named by the caller's own right: accounts for the server's key, files by their signature,
    // and for support what belongs to all accounts or to none. Sessions are a person's own: see
    // sessions.test.ts.
    const others = [
      "DELETE /v1/auth/sessions/{id}",
      // What vendors show to everybody: see portfolios.test.ts.
      "GET /v1/vendors/{id}",
      "GET /v1/vendors/{id}/portfolio",
      "POST /v1/accounts/{id}/tokens",
      "GET /v1/admin/accounts/{id}",
      "POST /v1/admin/accounts/{id}/allowances",
      "DELETE /v1/admin/accounts/{id}/features/{feature}",
      "PUT /v1/admin/accounts/{id}/features/{feature}",
      "PUT /v1/admin/accounts/{id}/plan",
      "POST /v1/admin/accounts/{id}/activate",
      "POST /v1/admin/accounts/{id}/credits",
      "POST /v1/admin/accounts/{id}/deactivate",
      "POST /v1/admin/accounts/{id}/freeze",
      "POST /v1/admin/accounts/{id}/unfreeze",
      "POST /v1/admin/accounts/{id}/vendor/unverify",
      "POST /v1/admin/accounts/{id}/vendor/verify",
      "POST /v1/admin/logins/{id}/ban",
      "POST /v1/admin/logins/{id}/role",
      "POST /v1/admin/logins/{id}/unban",
      "POST /v1/admin/anomalies/{id}/resolve",
      "POST /v1/admin/payments/{id}/refund",
      "POST /v1/admin/payments/{id}/refunds/{refund_id}/resolve",
      // The deployment's own: see webhook-endpoints.test.ts.
      "GET /v1/admin/webhook-endpoints/{id}",
      "PATCH /v1/admin/webhook-endpoints/{id}",
      "DELETE /v1/admin/webhook-endpoints/{id}",
      "GET /v1/admin/webhook-endpoints/{id}/secret",
      "POST /v1/admin/webhook-endpoints/{id}/rotate",
      "POST /v1/admin/webhook-endpoints/{id}/test",
      "POST /v1/admin/webhook-endpoints/{id}/replay",
      "GET /v1/admin/webhook-endpoints/{id}/deliveries",
      "GET /v1/admin/webhook-endpoints/{id}/deliveries/{delivery_id}",
      "POST /v1/admin/webhook-endpoints/{id}/deliveries/{delivery_id}/replay",
      "POST /v1/admin/webhook-events/{id}/discard",
      "POST /v1/admin/webhook-events/{id}/replay",
      "PATCH /v1/admin/promo-codes/{id}",
      "DELETE /v1/admin/accounts/{id}/plan",
      "DELETE /v1/admin/logins/{id}/totp",
      "GET /v1/styles/{id}",
      "GET /v1/admin/styles/{id}",
      "GET /v1/admin/styles/{id}/versions",
      "GET /v1/admin/styles/{id}/versions/{version}",
      "PUT /v1/admin/styles/{id}",
      "POST /v1/admin/messages/{id}/discard",
      "POST /v1/admin/messages/{id}/retry",
      "POST /v1/admin/styles/{id}/activate",
      "POST /v1/admin/styles/{id}/deactivate",
      "POST /v1/admin/styles/{id}/restore",
    ];
    const routes = stage.app.routes
      .filter(({ method, path }) => method !== METHOD_NAME_ALL && path.includes("/:id"))
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
    expect([...new Set(routes)].sort()).toEqual([...tried, ...others].sort());
  });

  it("stay as they were", async () => {
    const shown = await asOwner(`/v1/generations/${ids.generation}`);
    expect(shown.text).toContain(canary);
    const image = await asOwner(`/v1/images/${ids.image}`);
    expect(image.body).toMatchObject({ album_id: ids.album, is_public: false, tags: [canary] });
    const running = await asOwner(`/v1/generations/${ids.running}`);
    expect(running.body.status).toBe("pending");
    const released = await asOwner(`/v1/credits/holds/${ids.hold}/release`, { method: "POST" });
    expect(released.status).toBe(200);
    const endpoint = await asOwner(`/v1/webhook-endpoints/${ids.endpoint}`);
    expect(endpoint.body).toMatchObject({ status: "enabled", description: canary });
  });

  it("are in no list, balance or total, with the owner's cursors too", async () => {
    const [generationCursor, transactionCursor, paymentCursor, imageCursor, albumCursor] = cursors;
    const answers = await Promise.all(
      [
        "/v1/generations?count=true",
        `/v1/generations?cursor=${generationCursor}&count=true`,
        "/v1/credits/transactions?count=true",
        `/v1/credits/transactions?cursor=${transactionCursor}&count=true`,
        "/v1/payments?count=true",
        `/v1/payments?cursor=${paymentCursor}&count=true`,
        "/v1/images?count=true",
        `/v1/images?cursor=${imageCursor}&count=true&album_id=${ids.album}`,
        "/v1/albums?count=true",
        `/v1/albums?cursor=${albumCursor}&count=true`,
        "/v1/credits/balance",
        "/v1/credits/auto-reload",
        "/v1/api-keys",
        "/v1/me",
        "/v1/me/export",
        "/v1/styles",
      ].map((path) => asStranger(path)),
    );
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      assertSilent(answer);
    }
    const totals = answers.flatMap(({ body }) => body.total ?? []);
    expect(totals).toEqual([0, 0, 2, 2, 0, 0, 0, 0, 0, 0]);
  });

  it("are not started from: neither an upload nor a retry", async () => {
    const input = { type: "photo", photo_id: ids.upload };
    const refused = await asStranger("/v1/generations", { body: order({ input }) });
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, "/input/photo_id"]);
    assertSilent(refused);
  });

  it("are not kept: neither an upload, nor a result, nor in an album", async () => {
    const keep = (body: object) => asStranger("/v1/images", { body });
    const { raw, headers } = makeForm([{ bytes: await makePhoto() }]);
    const own = (await asStranger("/v1/uploads", { raw, headers })).body.id;
    const refused = [
      await keep({ upload_id: ids.upload }),
      await keep({ generation_item_id: ids.item }),
      await keep({ upload_id: own, album_id: ids.album }),
    ];
    const image = await keep({ upload_id: own });
    const move = { method: "PATCH", body: { album_id: ids.album } };
    refused.push(await asStranger(`/v1/images/${image.body.id}`, move));
    expect(refused.map(({ status, body }) => [status, body.errors[0].pointer])).toEqual([
      [422, "/upload_id"],
      [422, "/generation_item_id"],
      [422, "/album_id"],
      [422, "/album_id"],
    ]);
    for (const answer of refused) assertSilent(answer);
    const input = { type: "photo", photo_id: ids.image };
    const started = await asStranger("/v1/generations", { body: order({ input }) });
    expect([started.status, started.body.errors[0].pointer]).toEqual([422, "/input/photo_id"]);
  });

  it("are not answered for a key that the owner has used", async () => {
    const body = order({ reference: "mine" });
    const made = await asStranger("/v1/generations", { body, key: canary });
    expect([made.status, made.headers.get("idempotent-replayed")]).toEqual([201, null]);
    expect(made.body.reference).toBe("mine");
  });

  it("have file URLs that open nothing else", async () => {
    const path = signed.pathname.replace(owner, stranger) + signed.search;
    const refused = await stage.call(path, { bearer: null });
    expect(refused.status).toBe(404);
  });

  it("leave no prompt, key or signature in the log", () => {
    const log = stage.lines.join("");
    expect(log).toContain('"msg":"request"');
    for (const secret of [canary, "signature=", "Bearer", "dk_test_root"]) {
      expect(log.includes(secret)).toBe(false);
    }
  });
});
