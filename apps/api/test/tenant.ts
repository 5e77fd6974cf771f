import { randomUUID } from "node:crypto";
import { makeOffer, makePaid } from "../../../packages/db/test/billing-factories.ts";
import { beginSession } from "../src/logins/sessions.ts";
import { makeForm, makePhoto } from "./pictures.ts";
import { settle } from "./settle.ts";
import { type Call, order, type Stage } from "./stage.ts";

export type AccountKind = "user" | "vendor";
export type Role = "user" | "support" | "admin";

/** A login that owns this account, with a session; its tokens. */
export async function makeSession(
  stage: Stage,
  accountId: string,
  { role = "user", isVerified = true }: { role?: Role; isVerified?: boolean } = {},
) {
  const email = `${randomUUID()}@login.example`;
  const [login] = await stage.db.admin<{ id: string }[]>`
    INSERT INTO ducat.logins (email, email_verified, verified_at, role)
    VALUES (${email}, ${isVerified}, ${isVerified ? new Date() : null}, ${role}) RETURNING id`;
  const loginId = login?.id ?? "";
  await stage.db.admin`
    INSERT INTO ducat.account_logins (account_id, login_id) VALUES (${accountId}, ${loginId})`;
  const start = async () => (await beginSession(stage.deps.logins, { loginId, accountId })).pair;
  const { access, refresh } = await start();
  return { loginId, accountId, access, refresh, begin: async () => (await start()).access };
}

/** An account that has one of everything, with `word` in each text of it. */
export async function makeTenant(stage: Stage, kind: AccountKind, word: string) {
  const made = await stage.call("/v1/accounts", {
    body: { external_id: `${word}-owner`, kind, name: word, email: `${word}@x.example` },
  });
  const accountId: string = made.body.id;
  const ask = (path: string, how: Call = {}) =>
    stage.call(path, { account: accountId, key: randomUUID(), ...how });
  const give = { amount: 500, reason: word };
  await ask(`/v1/admin/accounts/${accountId}/credits`, { body: give });
  const { raw, headers } = makeForm([{ bytes: await makePhoto() }]);
  const upload = await ask("/v1/uploads", { raw, headers });
  const body = order({
    input: { type: "photo", photo_id: upload.body.id },
    areas: [`${word} a`, `${word} b`],
    ...{ reference: word, subject: word, metadata: { [word]: word }, params: { note: word } },
  });
  const begin = async () => (await ask("/v1/generations", { body })).body;
  const finish = async (generation: { id: string; items: { id: string }[] }) => {
    await settle(stage, accountId, generation, ["completed", "failed"]);
    return generation.id;
  };
  const image = async (): Promise<string> => {
    const made = await ask("/v1/uploads", { raw, headers });
    const details = { file_name: word, tags: [word], metadata: { [word]: word } };
    return (await ask("/v1/images", { body: { upload_id: made.body.id, ...details } })).body.id;
  };
  const album = async (name: string = `${word} ${randomUUID()}`): Promise<string> =>
    (await ask("/v1/albums", { body: { name, description: word } })).body.id;
  await Promise.all([image(), album()]);
  const usedKey = `used-${randomUUID()}`;
  const usedBatchKey = `rows-${randomUUID()}`;
  const rows = { style: body.style, rows: [{ label: word, input: body.input }, {}] };
  await ask("/v1/generations/batch", { body: rows, key: usedBatchKey });
  const done = (await ask("/v1/generations", { body, key: usedKey })).body;
  await finish(done);
  const hold = async (): Promise<string> =>
    (await ask("/v1/credits/holds", { body: { amount: 1, description: word } })).body.id;
  const key = async (): Promise<string> =>
    (await ask("/v1/api-keys", { body: { name: word, scopes: ["credits"] } })).body.id;
  const endpoint = async (): Promise<string> => {
    const body = { url: `https://hooks.example/${word}`, description: word };
    return (await ask("/v1/webhook-endpoints", { body })).body.id;
  };
  const endpointId = await endpoint();
  const delivery = await ask(`/v1/webhook-endpoints/${endpointId}/test`, { method: "POST" });
  const { price } = await makeOffer(stage.db.admin);
  const pay = () =>
    makePaid(stage.db.app, accountId, { priceId: price.id, metadata: { [word]: word } });
  const payment = await pay();
  await pay();
  const subscription = await subscribe(stage, accountId);
  await ask("/v1/me", { method: "PATCH", body: { name: word, bio: word } });
  const profile = { business_name: word, profile_info: word };
  if (kind === "vendor") await ask("/v1/vendor", { method: "PUT", body: profile });
  const session = await makeSession(stage, accountId);
  const endable = async () => {
    const access = await session.begin();
    return stage.deps.logins.tokens.read("access", access)?.id ?? "";
  };
  const ids = {
    account: accountId,
    login: session.loginId,
    generation: done.id as string,
    item: done.items[0].id as string,
    running: (await begin()).id as string,
    upload: upload.body.id as string,
    image: await image(),
    album: await album(),
    hold: await hold(),
    payment: payment.id,
    key: await key(),
    event: await use(stage, accountId, word),
    session: await endable(),
    endpoint: endpointId,
    delivery: delivery.body.id as string,
    subscription,
  };
  const shown = await ask(`/v1/generations/${ids.generation}`);
  const file = new URL(shown.body.items[0].output.url);
  return {
    ...{
      accountId,
      kind,
      word,
      externalId: `${word}-owner`,
      usedKey,
      usedBatchKey,
      usedBody: body,
      ids,
      session,
    },
    file: file.pathname,
    signedFile: `${file.pathname}${file.search}`,
    reference: payment.reference,
    cursors: await readCursors(ask),
    /** Things that nothing has happened to yet; their ids. */
    make: {
      ...{ hold, key, session: endable, image, album, endpoint },
      running: async (): Promise<string> => (await begin()).id,
      finished: async (): Promise<string> => finish(await begin()),
      payment: async () => (await pay()).id,
    },
    /** What no answer to anybody else may hold. */
    secrets: [word, ...Object.values(ids), usedKey, usedBatchKey],
  };
}
export type Tenant = Awaited<ReturnType<typeof makeTenant>>;

/** A plan that is paid for, at a provider that nobody has to ask. */
async function subscribe({ db }: Stage, accountId: string): Promise<string> {
  const { product, price } = await makeOffer(db.admin, { kind: "plan" }, { interval: "month" });
  const [made] = await db.admin<{ id: string }[]>`
    INSERT INTO ducat.subscriptions (account_id, product_id, price_id, provider, mode, status,
      interval, started_at, period_start, period_end)
    VALUES (${accountId}, ${product.id}, ${price.id}, 'sandbox', 'test', 'active', 'month', now(),
      now(), now() + interval '1 month') RETURNING id`;
  return made?.id ?? "";
}

/** Two things that the product's server has said were used; the event of the second. */
async function use({ db }: Stage, accountId: string, word: string): Promise<string> {
  const events = [randomUUID(), randomUUID()] as const;
  for (const event of events) {
    await db.admin`
      INSERT INTO ducat.usage_logs (account_id, event_id, feature, amount, subject, period_start)
      VALUES (${accountId}, ${event}, 'gallery_images', 1, ${word}, '-infinity')`;
  }
  return events[1];
}

/** Where the second page of each list begins. */
async function readCursors(ask: Stage["call"]): Promise<Record<string, string>> {
  const names = ["generations", "credits/transactions", "payments", "images", "albums", "usage"];
  const lists = names.map((name) => `/v1/${name}`);
  const entries = await Promise.all(
    lists.map(async (path) => [path, (await ask(`${path}?limit=1`)).body.next_cursor] as const),
  );
  return Object.fromEntries(entries);
}
