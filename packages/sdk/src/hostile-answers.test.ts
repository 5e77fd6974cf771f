import { inspect } from "node:util";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { createDucat, type DucatOptions } from "./ducat.ts";
import { DucatError, isDucatError, readError } from "./errors.ts";

// Pauses as short as they may be.
beforeEach(() => {
  const random = vi.spyOn(Math, "random").mockReturnValue(0);
  return () => random.mockRestore();
});

type Init = RequestInit & { headers: Headers };
type Answers = ((init: Init) => Response | Promise<Response>)[];

/** A client whose requests are answered in turn, the last answer again and again; what it sent. */
function answer(answers: Answers, options: Partial<DucatOptions> = {}) {
  const sent: Init[] = [];
  const ducat = createDucat({
    ...({ baseUrl: "http://api.test", key: "dk_test_x" } as DucatOptions),
    fetch: async (_, init) => {
      sent.push(init as Init);
      const next = answers[Math.min(sent.length, answers.length) - 1];
      return await (next?.(init as Init) ?? Response.error());
    },
    ...options,
  } as DucatOptions);
  return { ducat, sent };
}

const json = (value: unknown, status = 200, headers: Record<string, string> = {}) =>
  Response.json(value, { status, headers });
const page = () => new Response("<html>", { headers: { "content-type": "text/html" } });
const cut = (status: number) =>
  new Response(
    new ReadableStream({ pull: (controller) => controller.error(new TypeError("cut")) }),
    { status, headers: { "content-type": "application/problem+json" } },
  );
const order = { amount: 1, description: "a letter" };
const keyOf = ({ headers }: Init) => new Headers(headers).get("idempotency-key");

describe("what is sent", () => {
  it("has one value for each header, and the key that the caller put there", async () => {
    const { ducat, sent } = answer([() => json({})]);
    const headers = { "Idempotency-Key": "order-1", "Content-Type": "application/json" };
    await ducat.credits.consume(order, { headers });
    const [first] = sent.map(({ headers: given }) => new Headers(given));
    expect(first?.get("idempotency-key")).toBe("order-1");
    expect(first?.get("content-type")).toBe("application/json");
    await ducat.credits.consume(order, { headers, idempotencyKey: "order-2" });
    expect(sent.map(keyOf)).toEqual(["order-1", "order-2"]);
  });

  it("is the same each time, whatever becomes of what it was made of", async () => {
    const body = { ...order };
    const { ducat, sent } = answer([
      () => {
        body.amount = 99;
        return json({}, 503);
      },
      () => json({}),
    ]);
    await ducat.credits.consume(body);
    expect(sent.map((init) => init.body)).toEqual(Array(2).fill(JSON.stringify(order)));
  });

  it("is nothing at all when it can't be sent, and that is told as it is", async () => {
    const { ducat, sent } = answer([() => json({})]);
    const impossible = ducat.credits.consume(order, { account: "آدا" });
    await expect(impossible).rejects.toBeInstanceOf(TypeError);
    const endless: Record<string, unknown> = {};
    endless.self = endless;
    await expect(ducat.credits.consume(endless as never)).rejects.toBeInstanceOf(TypeError);
    await expect(ducat.generations.get("..")).rejects.toThrow("id is no id.");
    expect(sent).toEqual([]);
  });

  it("tells nobody a key that is none", async () => {
    const key = "dk_test_secret\r\nx: y";
    expect(() => answer([], { key })).toThrow("no key");
    for (const token of [() => key, () => undefined as never]) {
      const { ducat } = answer([() => json({})], { key: undefined, token });
      const asked = [ducat.credits.balance(), ducat.events.stream().next()];
      for (const error of await Promise.all(asked.map((one) => one.catch((caught) => caught)))) {
        expect(error).toMatchObject({ code: "unauthenticated", status: 0 });
        expect(inspect(error)).not.toContain("secret");
      }
    }
    const { ducat, sent } = answer([() => json({})], { key: "dk_test_x\n" });
    await ducat.credits.balance();
    expect(new Headers(sent[0]?.headers).get("authorization")).toBe("Bearer dk_test_x");
  });
});

describe("an answer", () => {
  it("that is somebody else's page is no answer", async () => {
    const { ducat, sent } = answer([page]);
    const unexpected = { code: "unexpected_answer", status: 200 };
    await expect(ducat.credits.consume(order)).rejects.toMatchObject(unexpected);
    expect(sent).toHaveLength(1);
    const receipt = ducat.request("GET /v1/payments/{id}/receipt", { path: { id: "p" } });
    expect(await receipt).toBe("<html>");
  });

  it("that was cut off is asked for again, and is in no error", async () => {
    const half = () => new Response('{"secret":"whsec_', { headers: { "content-type": "a/json" } });
    const empty = () => new Response("", { headers: { "content-type": "application/json" } });
    const answers = [half, empty, () => cut(402), () => json({ available: 1 })];
    const { ducat, sent } = answer(answers);
    await ducat.credits.consume(order);
    expect(new Set(sent.map(keyOf)).size).toBe(1);
    expect(sent).toHaveLength(4);
    const broken = answer([half], { maxRetries: 0 }).ducat.webhookSecret.get();
    const error = await broken.catch((caught) => caught);
    expect(error).toMatchObject({ code: "connection_failed" });
    expect(inspect(error)).not.toContain("whsec_");
  });

  it("that refuses in other words than ours is read all the same", async () => {
    const bodies = [
      { code: "x", errors: {} },
      { code: "x", errors: [null, 1, { pointer: 1 }], detail: {}, title: null },
      { code: "x", errors: "no" },
      { code: 1 },
      null,
      [],
    ];
    for (const body of bodies) {
      const error = await readError(json(body, 418));
      expect(error).toMatchObject({ status: 418, errors: [], code: expect.any(String) });
      expect(error.message).toEqual(expect.any(String));
    }
  });

  it("says when to come back in seconds or by its own clock", async () => {
    const ask = async (after: string, date = new Date()) => {
      const headers = { "retry-after": after, date: date.toUTCString() };
      return (await readError(json({}, 503, headers))).retryAfterS;
    };
    const theirs = new Date(Date.now() - 7_200_000);
    const soon = new Date(theirs.getTime() + 20_000).toUTCString();
    expect(await ask(soon, theirs)).toBe(20);
    expect(await ask(new Date(Date.now() - 9_000).toUTCString())).toBe(0);
    expect(await ask("99999999999999999999")).toBeGreaterThan(1e9);
    for (const none of ["-5", "soon", "1e3", "", "1.5"]) expect(await ask(none)).toBeUndefined();
  });

  it("to a deletion that may have been done is taken for done where nothing comes back", async () => {
    const lost = () => json({}, 502);
    const gone = () => json({ code: "not_found", status: 404, title: "No." }, 404);
    const pageOfProxy = () => new Response("<html>", { status: 404 });
    await expect(answer([lost, gone]).ducat.albums.delete("a")).resolves.toBeUndefined();
    const refused = { status: 404 };
    const foreign = answer([lost, pageOfProxy]).ducat;
    await expect(foreign.albums.delete("a")).rejects.toMatchObject(refused);
    await expect(answer([lost, gone]).ducat.usage.release("e")).rejects.toMatchObject(refused);
    await expect(answer([gone]).ducat.albums.delete("a")).rejects.toMatchObject(refused);
  });

  it("is an error of ours also by another copy of this package", () => {
    class DucatErrorOfAnother extends Error {
      override name = "DucatError";
      code = "not_found";
    }
    expect(isDucatError(new DucatErrorOfAnother(), "not_found")).toBe(true);
    expect(isDucatError(new DucatErrorOfAnother(), "internal")).toBe(false);
    expect(isDucatError(new DucatError("internal", { message: "" }), "internal")).toBe(true);
    for (const none of [null, new Error("x"), { name: "DucatError", code: "internal" }]) {
      expect(isDucatError(none)).toBe(false);
    }
  });
});

describe("waiting", () => {
  it("without an end is no wait of no time", async () => {
    const { ducat } = answer([
      async ({ signal }) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        signal?.throwIfAborted();
        return json({ id: "g", status: "completed" });
      },
    ]);
    const forever = { timeoutMs: Number.POSITIVE_INFINITY, waitMs: Number.POSITIVE_INFINITY };
    expect(await ducat.generations.wait("g", forever)).toMatchObject({ status: "completed" });
  });

  it("asks the API for less than what proxies cut off, and tells which generation goes on", async () => {
    const { ducat, sent } = answer([() => json({ id: "g-1", status: "pending" })]);
    const asked = ducat.generations.createAndWait({} as never, { waitMs: 30 });
    const error = await asked.catch((caught) => caught);
    if (!isDucatError(error, "timed_out")) return expect.unreachable();
    expect(error.extra.generation_id).toBe("g-1");
    const long = answer([() => json({ id: "g", status: "completed" })]);
    await long.ducat.generations.createAndWait({} as never);
    const [prefer] = long.sent.map(({ headers }) => new Headers(headers).get("prefer"));
    expect(Number(prefer?.slice("wait=".length))).toBeLessThan(30);
    expect(sent.length).toBeGreaterThan(1);
  });

  it("is no longer than was asked when nothing comes back, and when it has gone meanwhile", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const gone = () => json({ code: "not_found", status: 404, title: "No." }, 404);
    const { ducat } = answer([() => json({ id: "g", status: "pending" }), gone]);
    const asked = ducat.generations.createAndWait({} as never).catch((caught) => caught);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await asked).toMatchObject({ code: "not_found" });

    const hangs = answer([
      ({ signal }) =>
        new Promise((_, reject) => {
          signal?.addEventListener("abort", () => reject(signal.reason));
        }),
    ]).ducat.generations.wait("g", { waitMs: 10_000 });
    const late = hangs.catch((caught) => caught);
    await vi.advanceTimersByTimeAsync(16_000);
    expect(await late).toMatchObject({ code: "timed_out", extra: { generation_id: "g" } });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("ends with its signal wherever it is, and leaves nothing on it", async () => {
    const never = () => new Promise<never>(() => undefined);
    const reason = new Error("enough");
    const ask = async (run: (signal: AbortSignal) => Promise<unknown>) => {
      const ending = new AbortController();
      const asked = run(ending.signal);
      setTimeout(() => ending.abort(reason), 5);
      await expect(asked).rejects.toBe(reason);
    };
    await ask((signal) =>
      answer([], { key: undefined, token: never }).ducat.credits.balance({ signal }),
    );
    const { ducat } = answer([() => json({}, 429, { "retry-after": "50" })]);
    await ask((signal) => ducat.credits.balance({ signal }));
    const stuck = new ReadableStream<Uint8Array>();
    await ask((signal) => ducat.uploads.create(stuck, { signal }));

    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    const files = answer([() => json({}, 503), () => new Response("a,b")]).ducat;
    for (let n = 0; n < 3; n++) {
      expect(await (await files.generations.results("g", {}, { signal })).text()).toBe("a,b");
    }
    await (await files.generations.results("g", {}, { signal })).body?.cancel();
    await files.request("GET /v1/credits/balance", { signal, headers: { accept: "text/csv" } });
    expect(added).toHaveBeenCalled();
    expect(removed.mock.calls.length).toBeGreaterThanOrEqual(added.mock.calls.length);
  });
});

describe("a list", () => {
  it("whose next page is the same again ends in an error", async () => {
    const { ducat } = answer([() => json({ data: [{ id: "a" }], next_cursor: "c" })]);
    const read = async () => {
      for await (const _ of ducat.albums.list());
    };
    await expect(read()).rejects.toMatchObject({ code: "unexpected_answer" });
  });
});
