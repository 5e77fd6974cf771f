import { randomUUID } from "node:crypto";
import { AccountExport } from "@ducat/types/me";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeOffer, makePaid } from "../../../../packages/db/test/billing-factories.ts";
import { makeEndpoint } from "../../../../packages/db/test/webhooks.ts";
import { fillAccount } from "../../test/canaries.ts";
import { makeForm, makePhoto } from "../../test/pictures.ts";
import { settle } from "../../test/settle.ts";
import { order, rootKey, type Stage, setStage } from "../../test/stage.ts";
import { createExporter } from "../export-account.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const take = (account: string) => stage.call("/v1/me/export", { account });

async function makeCustomer(mark: string): Promise<string> {
  const { body } = await stage.call("/v1/accounts", {
    body: { external_id: `${mark}-id`, kind: "vendor", name: mark },
  });
  const account: string = body.id;
  const call = { account, key: randomUUID() };
  await fillAccount(stage, account, mark);
  const vendor = { business_name: mark, social_links: { web: `https://${mark}.example/` } };
  await stage.call("/v1/vendor", { account, method: "PUT", body: vendor });
  const { raw, headers } = makeForm([{ bytes: await makePhoto(64, 48) }]);
  const upload = await stage.call("/v1/uploads", { account, raw, headers });
  const album = await stage.call("/v1/albums", { account, body: { name: mark } });
  const picture = { file_name: mark, tags: [mark], metadata: { mark }, album_id: album.body.id };
  const kept = await stage.call("/v1/uploads", { account, raw, headers });
  await stage.call("/v1/images", { account, body: { upload_id: kept.body.id, ...picture } });
  const input = { type: "photo", photo_id: upload.body.id };
  const webhook_url = `https://${mark}.example/hooks`;
  const more = { input, areas: ["a", "b", "c"], reference: mark, metadata: { mark }, webhook_url };
  const made = await stage.call("/v1/generations", { ...call, body: order(more) });
  await settle(stage, account, made.body, ["completed", "text", "failed"]);
  const use = { feature: "gallery_images", amount: 1, event_id: mark };
  await stage.call("/v1/usage", { account, body: use });
  const hooks = { url: `https://${mark}.example/`, description: mark };
  await makeEndpoint(stage.db.app, account, hooks);
  const { price } = await makeOffer(stage.db.admin);
  await makePaid(stage.db.app, account, { priceId: price.id, metadata: { mark } });
  await stage.call("/v1/credits/consume", {
    ...call,
    key: randomUUID(),
    body: { amount: 2, description: mark },
  });
  return account;
}

describe("an export", () => {
  it("has all rows of the account and nothing of another", async () => {
    const [mark, foreign] = [`mark-${randomUUID()}`, `mark-${randomUUID()}`];
    const account = await makeCustomer(mark);
    const other = await makeCustomer(foreign);
    const { status, headers, text, body } = await take(account);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("application/json");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(text).not.toContain(foreign);
    expect(text).not.toContain(other);
    const document = AccountExport.parse(body);
    expect(document.account).toMatchObject({ id: account, name: mark, bio: mark });
    expect(document.vendor).toMatchObject({ business_name: mark });

    const rowsOf = async (table: string, by = "id") => {
      const rows = await stage.db.admin.unsafe<Record<string, unknown>[]>(
        `SELECT * FROM ducat.${table} WHERE account_id = $1 ORDER BY ${by}`,
        [account],
      );
      return JSON.parse(JSON.stringify(rows)) as Record<string, unknown>[];
    };
    for (const [list, table, by] of [
      ["entries", "credit_entries", "seq"],
      ["grants", "credit_grant_balances"],
      ["payments", "payments"],
      ["generations", "generations"],
      ["items", "generation_items"],
      ["images", "images"],
      ["albums", "albums"],
      ["usage", "usage_entries", "id || feature"],
      ["files", "blobs"],
      ["messages", "messages"],
      ["events", "outbox"],
      ["webhook_endpoints", "webhook_endpoints"],
      ["identities", "external_identities", "issuer"],
    ] as const) {
      const stored = await rowsOf(table, by);
      const told = document[list];
      expect([list, told.length]).toEqual([list, stored.length]);
      expect([list, stored.length > 0]).toEqual([list, true]);
      for (const [index, row] of told.entries()) {
        // What both know by the same name is the same, but for what is shown in another way.
        const shown = Object.entries(row).filter(([name]) => !["input", "output"].includes(name));
        const known = shown.filter(([name]) => name in (stored[index] ?? {}));
        expect(known.length).toBeGreaterThan(2);
        for (const [name, value] of known) expect(value).toEqual(stored[index]?.[name]);
      }
    }
    const [generation] = document.generations;
    expect(generation).toMatchObject({ reference: mark, metadata: { mark }, status: "completed" });
    expect(generation).toMatchObject({ webhook_url: `https://${mark}.example/hooks` });
    expect(document.logins).toMatchObject([{ email: `${mark}@login.x.org`, role: "user" }]);
  });

  it("opens each file, and tells no key, hash or secret", async () => {
    const account = await makeCustomer(`mark-${randomUUID()}`);
    const { text, body } = await take(account);
    const outputs = body.items.map(({ output }: { output: object | null }) => output);
    expect(outputs[1]).toEqual({ text: "A fine chair." });
    for (const { url } of [outputs[0], ...body.files]) {
      const { pathname, search } = new URL(url);
      expect((await stage.app.request(pathname + search)).status).toBe(200);
    }
    for (const secret of ["photo_key", "fingerprint", "password", "hash", "effect_key"]) {
      expect([secret, text.includes(`"${secret}"`)]).toEqual([secret, false]);
    }
  });

  it("is of an empty account too, and valid by its description", async () => {
    const account = await stage.makeAccount();
    const { body } = await take(account);
    const document = AccountExport.parse(body);
    expect(document).toMatchObject({ vendor: null, logins: [], generations: [], payments: [] });
    expect(document.entries).toHaveLength(1);
  });

  it("leaves out what was deleted", async () => {
    const mark = `mark-${randomUUID()}`;
    const account = await makeCustomer(mark);
    const { body } = await take(account);
    const { id } = body.generations[0];
    await stage.call(`/v1/generations/${id}`, { method: "DELETE", account });
    const after = (await take(account)).body;
    expect([after.generations, after.items]).toEqual([[], []]);
    expect(after.entries).toEqual(body.entries);
  });

  it("has all of more rows than a page has, each once", async () => {
    const account = await stage.makeAccount();
    await addGenerations(account, { count: 103, characters: 10 });
    const { generations, items } = (await take(account)).body;
    expect(new Set(generations.map(({ id }: { id: string }) => id)).size).toBe(103);
    expect(generations).toHaveLength(103);
    expect(items).toHaveLength(103);
  });

  it("is answered to HEAD without one", async () => {
    const account = await stage.makeAccount();
    for (let round = 0; round < 6; round++) {
      const { status, text } = await stage.call("/v1/me/export", { method: "HEAD", account });
      expect([status, text]).toEqual([200, ""]);
    }
  });
});

describe("the stream of an export", () => {
  const drain = async (stream: ReadableStream) => {
    const sizes: number[] = [];
    for await (const chunk of stream) sizes.push((chunk as Uint8Array).length);
    return sizes;
  };

  it("reads a page when it is wanted, and keeps none", async () => {
    const account = await stage.makeAccount();
    await addGenerations(account, { count: 1000, characters: 20_000 });
    let reads = 0;
    const db = new Proxy(stage.deps.db, {
      get(target, name) {
        if (name === "begin") reads += 1;
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const stream = await createExporter({ ...stage.deps, db })(account);
    const reader = stream.getReader();
    const begun = reads;
    await new Promise((resolve) => setImmediate(resolve));
    expect(reads).toBe(begun);
    const sizes: number[] = [];
    let most = 0;
    for (;;) {
      const before = reads;
      const { done, value } = await reader.read();
      most = Math.max(most, reads - before);
      if (done) break;
      sizes.push(value.length);
    }
    // 20 MB in all; a page ends a list and begins the next at the most.
    expect(sizes.reduce((sum, size) => sum + size)).toBeGreaterThan(20_000_000);
    expect(Math.max(...sizes)).toBeLessThan(1_000_000);
    expect(most).toBeLessThanOrEqual(2);
  });

  it("beyond four is refused as busy, which is no error to whoever runs this", async () => {
    const headers = { authorization: `Bearer ${rootKey}` };
    const open = async (account: string) =>
      await stage.app.request("/v1/me/export", {
        headers: { ...headers, "ducat-account": account },
      });
    const accounts = await Promise.all([1, 2, 3, 4, 5].map(() => stage.makeAccount()));
    const last = accounts.pop() ?? "";
    const running = await Promise.all(accounts.map(open));
    const from = stage.lines.length;
    const refused = await take(last);
    expect([refused.status, refused.body.code, refused.body.reason]).toEqual([
      ...[503, "unavailable", "busy"],
    ]);
    expect(refused.headers.get("retry-after")).toBe("5");
    const levels = stage.lines.slice(from).map((line) => JSON.parse(line).level);
    expect([levels.includes(40), Math.max(...levels)]).toEqual([true, 40]);
    for (const { body } of running) await body?.cancel();
    expect((await take(last)).status).toBe(200);
  });

  it("is one per account and four per process, until it was read or left", async () => {
    const accounts = await Promise.all([1, 2, 3, 4, 5].map(() => stage.makeAccount()));
    const [one = "", two = "", three = "", four = "", five = ""] = accounts;
    const exportAccount = createExporter(stage.deps);
    const streams = [];
    for (const account of [one, two, three, four]) streams.push(await exportAccount(account));
    await expect(exportAccount(one)).rejects.toMatchObject({ code: "rate_limited" });
    await expect(exportAccount(five)).rejects.toMatchObject({ code: "unavailable" });
    await streams[0]?.cancel();
    expect((await drain(await exportAccount(five))).length).toBeGreaterThan(1);
    for (const stream of streams.slice(1)) if (stream) await drain(stream);
    expect((await drain(await exportAccount(one))).length).toBeGreaterThan(1);
  });

  it("gives its place back when it fails", async () => {
    const exportAccount = createExporter(stage.deps);
    for (let round = 0; round < 5; round++) {
      await expect(exportAccount(randomUUID())).rejects.toMatchObject({ code: "not_found" });
    }
    const account = await stage.makeAccount();
    const broken = createExporter({
      ...stage.deps,
      urlSigner: {
        ...stage.deps.urlSigner,
        sign: () => {
          throw new Error("no secret");
        },
      },
    });
    const { raw, headers } = makeForm([{ bytes: await makePhoto(64, 48) }]);
    await stage.call("/v1/uploads", { account, raw, headers });
    for (let round = 0; round < 2; round++) {
      await expect(broken(account).then(drain)).rejects.toThrow("no secret");
    }
  });
});

/** Free generations that have ended, each with one item and a text of so many characters. */
async function addGenerations(
  account: string,
  { count, characters }: { count: number; characters: number },
): Promise<void> {
  await stage.db.admin`
    WITH made AS (
      INSERT INTO ducat.generations (account_id, id, idempotency_key, fingerprint, style_id,
        style_version, kind, input, params, metadata, status, item_count, open_items,
        failed_items, cost, trial_cost, balance_after, deadline_at, completed_at)
      SELECT ${account}, ducat.uuid_v7(), 'k' || n, '\\x00', 'modern_minimalist', 1, 'text',
        '{"type": "text", "prompt": "p"}', '{}', '{}', 'failed', 1, 0, 1, 0, 0, 0,
        now() - interval '40 days', now() - interval '40 days'
      FROM generate_series(1, ${count}::int) n RETURNING id)
    INSERT INTO ducat.generation_items (account_id, generation_id, position, status, due_at, cost,
      cost_from, output)
    SELECT ${account}, id, 0, 'failed', now(), 0, 0,
      jsonb_build_object('kind', 'text', 'text', repeat('t', ${characters}::int)) FROM made`;
}
