import { randomUUID } from "node:crypto";
import { unzipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { claim, fail } from "../../../../packages/db/test/work.ts";
import { parseCsv } from "../../test/parse-csv.ts";
import { makeForm, makePhoto } from "../../test/pictures.ts";
import { settle } from "../../test/settle.ts";
import { type Call, rootKey, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const path = "/v1/generations/batch";
const style = "modern_minimalist";
const prompts = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ input: { type: "text", prompt: `garden ${at}` } }));

const send = (account: string, call: Call & { query?: string }) => {
  const { query = "", ...rest } = call;
  return stage.call(path + query, { account, key: randomUUID(), ...rest });
};
const sendCsv = (account: string, raw: string | Buffer, query: Record<string, string> = {}) =>
  send(account, {
    raw: typeof raw === "string" ? raw : new Uint8Array(raw),
    headers: { "content-type": "text/csv" },
    query: `?${new URLSearchParams({ style, ...query })}`,
  });
const readItems = async (account: string, id: string, query = "limit=100") =>
  (await stage.call(`/v1/generations/${id}/items?${query}`, { account })).body;
const readBalance = async (account: string) =>
  (await stage.call("/v1/credits/balance", { account })).body.available;

describe("a batch of rows", () => {
  it("is accepted with an item a row, and charges nothing for bad ones", async () => {
    const account = await stage.makeAccount(20);
    const rows = [
      ...prompts(2),
      { input: { type: "text", prompt: "" } },
      "nothing",
      { label: "own", input: { type: "text", prompt: "x" }, params: { look: "calm" } },
      { input: { type: "photo", photo_id: randomUUID() } },
      {},
    ];
    const made = await send(account, { body: { style, rows, params: { note: "all" } } });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ rows: 7, accepted: 3, rejected: 4, cost: 3, balance: 20 });
    expect(made.body.errors.map((one: { line: number }) => one.line)).toEqual([3, 4, 6, 7]);
    expect(made.body.errors[0].pointer).toBe("/rows/2/input/prompt");
    const { data } = await readItems(account, made.body.id);
    expect(data.map((one: { line: number }) => one.line)).toEqual([1, 2, 5]);
    expect(data[2]).toMatchObject({ label: "own", params: { note: "all", look: "calm" } });
    expect(await readBalance(account)).toBe(20);
  });

  it("is all or nothing where that is asked for", async () => {
    const account = await stage.makeAccount(20);
    const body = { style, on_error: "refuse", rows: [...prompts(2), {}] };
    const refused = await send(account, { body });
    expect([refused.status, refused.body.code]).toEqual([422, "validation_failed"]);
    expect(refused.body).toMatchObject({ rows: 3, rejected: 1, row_errors: [{ line: 3 }] });
    expect(await readBalance(account)).toBe(23);
  });

  it("is the same one for the same key, also when its rows would be bad by now", async () => {
    const account = await stage.makeAccount(20);
    const key = randomUUID();
    const { raw, headers } = makeForm([{ bytes: await makePhoto() }]);
    const upload = await stage.call("/v1/uploads", { account, raw, headers });
    const rows = [{ input: { type: "photo", photo_id: upload.body.id } }, ...prompts(1), {}];
    const first = await send(account, { key, body: { style, rows } });
    expect([first.status, first.body.accepted]).toEqual([201, 2]);
    await stage.db.admin`
      UPDATE ducat.blobs SET expires_at = now() - interval '1 day'
      WHERE account_id = ${account} AND purpose = 'input'`;
    const again = await send(account, { key, body: { rows, style } });
    expect([again.status, again.text]).toEqual([201, first.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    const other = await send(account, { key, body: { style, rows: prompts(1) } });
    expect([other.status, other.body.code]).toEqual([422, "idempotency_conflict"]);
    expect(first.text).not.toContain("photo_key");
    expect(JSON.stringify(await readItems(account, first.body.id))).not.toContain("photo_key");
  });

  it("asks for a key and for credits, and leaves the key usable without them", async () => {
    const account = await stage.makeAccount();
    const key = randomUUID();
    const body = { style, rows: prompts(4) };
    expect((await send(account, { key: undefined, body })).body.code).toBe(
      "idempotency_key_required",
    );
    const poor = await send(account, { key, body });
    expect([poor.status, poor.body.required]).toEqual([402, 4]);
    const less = await send(account, { key, body: { style, rows: prompts(3) } });
    expect(less.status).toBe(201);
  });

  it.each([
    [{ rows: prompts(1) }, "/style"],
    [{ style, rows: [] }, "/rows"],
    [{ style, rows: {} }, "/rows"],
    [{ style, rows: Array(10_001).fill({}) }, "/rows"],
    [{ style, rows: prompts(1), on_error: "stop" }, "/on_error"],
    [{ style, rows: prompts(1), n: 2 }, "/n"],
  ])("says what is wrong with all of it: %#", async (body, pointer) => {
    const refused = await send(await stage.makeAccount(), { body });
    expect([refused.status, refused.body.errors?.[0]?.pointer]).toEqual([422, pointer]);
  });
});

describe("a file of rows", () => {
  it("is read by known headers, and each error names its line", async () => {
    const account = await stage.makeAccount(20);
    const csv =
      'SKU,Description,ویژگی‌ها\r\n1,"two\r\nlines",رنگ: سرخ\r\n2,,\r\n=3,=1+1,\r\n4,"x"y,';
    const made = await sendCsv(account, Buffer.from(`\ufeff${csv}`));
    expect(made.body).toMatchObject({ rows: 4, accepted: 2, cost: 2 });
    expect(made.body.columns).toEqual({
      ...{ SKU: "label", Description: "prompt", ویژگی‌ها: "params.attributes" },
    });
    expect(made.body.errors).toMatchObject([
      { line: 4, pointer: "/rows/1/input", code: "validation_failed" },
      { line: 6, pointer: "/rows/3", code: "malformed_row" },
    ]);
    const { data } = await readItems(account, made.body.id);
    expect(data).toMatchObject([
      { line: 2, label: "1", input: { prompt: "two\r\nlines" }, params: { attributes: {} } },
      { line: 5, label: "=3", input: { type: "text", prompt: "=1+1" } },
    ]);
    expect(data[0].params.attributes).toEqual({ رنگ: "سرخ" });
  });

  it("is read by a mapping, in a form, as UTF-16 with semicolons", async () => {
    const account = await stage.makeAccount(20);
    const text = "Was;Farbe;Rest\nein Garten;rot;x\n";
    const file = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, "utf16le")]);
    const mapping = { was: "prompt", Farbe: "params.attributes.colour", Rest: null };
    const form = new FormData();
    form.set("style", style);
    form.set("mapping", JSON.stringify(mapping));
    form.set("params", '{"language":"de"}');
    form.set("file", new Blob([new Uint8Array(file)]), "rows.csv");
    const made = await send(account, { raw: form });
    expect(made.body).toMatchObject({ accepted: 1, rejected: 0 });
    const { data } = await readItems(account, made.body.id);
    expect(data[0]).toMatchObject({
      ...{ input: { prompt: "ein Garten" }, params: { language: "de" } },
    });
    expect(data[0].params.attributes).toEqual({ colour: "rot" });
  });

  it.each([
    ["a header twice", "prompt,Prompt\na,b"],
    ["no header", ""],
    ["a header alone", "prompt\n"],
    ["nothing to start from", "colour\nred"],
    ["latin1", Buffer.from("prompt\ncaf\xe9", "latin1")],
    ["UTF-16 without a mark", Buffer.from("prompt\na", "utf16le")],
    ["zeros", Buffer.alloc(1_000)],
    ["one endless line", `prompt\n${"x".repeat(200_000)}`],
    ["a header without an end", `"prompt\n${"x\n".repeat(50_000)}`],
    ["a picture", "png"],
    ["too many rows", `prompt\n${"x\n".repeat(10_001)}`],
    ["300 columns", Array(300).fill("a").join(",")],
    ["quotes only", '"""""""\n"'],
    ["__proto__", "__proto__,params.__proto__.x\n1,2"],
  ])("is refused where it is %s", async (what, raw) => {
    const account = await stage.makeAccount(5);
    const bytes = what === "a picture" ? await makePhoto() : raw;
    const refused = await sendCsv(account, bytes);
    expect([refused.status, refused.body.code]).toEqual([422, "validation_failed"]);
    expect(await readBalance(account)).toBe(8);
  });

  it.each([
    { mapping: '{"x":"prompt"}' },
    { mapping: '{"prompt":"label","a":"label"}' },
    { mapping: '{"a":"params.__proto__"}' },
    { mapping: '{"a":"id"}' },
    { mapping: "{" },
    { params: "[]" },
    { unknown: "1" },
  ])("is refused with options that can't be followed: %j", async (query) => {
    const refused = await sendCsv(await stage.makeAccount(5), "prompt,a\n1,2", { ...query });
    expect(refused.status).toBe(422);
  });

  it("is too large over 16 MiB, and of no other type", async () => {
    const account = await stage.makeAccount();
    const large = await sendCsv(account, Buffer.alloc(16 * 1024 * 1024 + 1, "x"));
    expect([large.status, large.body.code]).toEqual([413, "payload_too_large"]);
    const xml = await send(account, { raw: "x", headers: { "content-type": "text/xml" } });
    expect(xml.status).toBe(415);
    const bare = { "content-type": "multipart/form-data; boundary=x" };
    const form = await send(account, { raw: "--x\r\nno end", headers: bare });
    expect([form.status, form.body.code]).toEqual([400, "malformed_body"]);
  });
});

describe("what comes of a batch", () => {
  /** 105 rows of which one is bad; the third item has failed, and the first two are done. */
  const makeBatch = async () => {
    const account = await stage.makeAccount(300);
    const rows = [{}, ...prompts(104).map((row, at) => ({ ...row, label: `=r/${at}` }))];
    const { body } = await send(account, { body: { style, rows } });
    const { data } = await readItems(account, body.id);
    const generation = { id: body.id, items: data };
    await settle(stage, account, generation, ["completed", "completed"]);
    const ids = data.map(({ id }: { id: string }) => id);
    const made = { id: body.id, item_ids: ids };
    await fail(stage.db.worker, await claim(stage.db.worker, account, made, { position: 2 }));
    return { account, id: body.id as string };
  };
  let account: string;
  let id: string;
  let stranger: string;
  beforeAll(async () => {
    ({ account, id } = await makeBatch());
    stranger = await stage.makeAccount();
  });
  const get = (rest: string, call: Call = {}) =>
    stage.call(`/v1/generations/${id}${rest}`, { account, ...call });

  it("is counted, with its first hundred items", async () => {
    const { body } = await get("");
    expect(body.items).toHaveLength(100);
    expect(body.batch).toEqual({
      ...{ rows: 105, accepted: 104, rejected: 1, open: 101, completed: 2, failed: 1, canceled: 0 },
      ...{ items_url: `/v1/generations/${id}/items`, errors_url: `/v1/generations/${id}/errors` },
      results_url: `/v1/generations/${id}/results`,
    });
    const list = await stage.call("/v1/generations", { account });
    expect(list.body.data[0].batch.rows).toBe(105);
  });

  it("is turned page by page, by status too", async () => {
    const first = await readItems(account, id, "limit=100&count=true");
    expect([first.data.length, first.total]).toEqual([100, 104]);
    const next = await readItems(account, id, `limit=100&cursor=${first.next_cursor}`);
    expect([next.data.length, next.next_cursor]).toEqual([4, null]);
    expect((await readItems(account, id, "status=failed")).data).toMatchObject([{ position: 2 }]);
  });

  it("is a CSV that no spreadsheet runs, and JSON", async () => {
    const { text, headers } = await get("/results?format=csv");
    expect(headers.get("content-type")).toMatch(/^text\/csv/);
    const lines = parseCsv(text);
    expect(lines).toHaveLength(105);
    expect(text).not.toMatch(/(^|,)"?=/m);
    // What a text has no value for is empty.
    expect(text).not.toMatch(/,false,/);
    const { body } = await get("/results?format=json&from=1&to=4");
    expect(body.data.map((one: { status: string }) => one.status)).toEqual([
      ...["completed", "failed", "pending"],
    ]);
    expect((await get("/results?format=json&status=canceled")).body).toEqual({ data: [] });
  });

  it("is a ZIP of its files with a manifest", async () => {
    const answer = await stage.app.request(`/v1/generations/${id}/results?format=zip`, {
      headers: { "ducat-account": account, authorization: `Bearer ${rootKey}` },
    });
    const files = unzipSync(new Uint8Array(await answer.arrayBuffer()));
    const names = Object.keys(files);
    expect(names.filter((name) => name !== "manifest.csv")).toHaveLength(2);
    expect(names[0]).toMatch(/^00001-r-0\.\w+$/);
    const manifest = parseCsv(Buffer.from(files["manifest.csv"] ?? []).toString());
    expect(manifest).toHaveLength(105);
    expect(manifest[1]?.[4]).toBe(names[0]);
  });

  it("tells what was wrong with rows, as a page and as a file", async () => {
    const { body } = await get("/errors");
    expect(body).toMatchObject({
      data: [{ line: 1, pointer: "/rows/0/input" }],
      next_cursor: null,
    });
    const csv = await get("/errors", { headers: { accept: "text/csv" } });
    expect(parseCsv(csv.text)).toHaveLength(2);
  });

  it("is nothing to another account", async () => {
    for (const rest of ["", "/items", "/results", "/errors"]) {
      expect((await get(rest, { account: stranger })).status).toBe(404);
    }
  });

  it("is asked for again where it failed, with the same rows", async () => {
    const early = await get("/retry", { method: "POST", key: randomUUID() });
    expect([early.status, early.body.code]).toEqual([409, "invalid_state"]);
    await get("/cancel", { method: "POST" });
    const key = randomUUID();
    const again = await get("/retry", { method: "POST", key });
    expect(again.status).toBe(201);
    expect(again.body).toMatchObject({ retry_of: id, cost: 102, batch: { accepted: 102 } });
    expect(again.body.items).toHaveLength(100);
    const { data } = await readItems(account, again.body.id, "limit=1");
    expect(data[0]).toMatchObject({ label: "=r/2", line: 4, input: { prompt: "garden 2" } });
    const replay = await get("/retry", { method: "POST", key });
    expect(replay.text).toBe(again.text);
  });
});
