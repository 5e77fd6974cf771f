import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { type Fault, startFaultyProxy } from "../test/faulty-proxy.ts";
import { order, type Stage, setStage } from "../test/stage.ts";
import { DucatError } from "./errors.ts";
import type { BatchFile } from "./generations.ts";
import { pauseBefore } from "./retry.ts";
import { createTransport, type TransportOptions } from "./transport.ts";
import type { CreateBatch } from "./types.ts";

// Pauses as short as they may be.
beforeEach(() => {
  const random = vi.spyOn(Math, "random").mockReturnValue(0);
  return () => random.mockRestore();
});

describe("a client whose connections break", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.close());

  const breaking: Fault[] = ["before", "within-request", "before-answer", "within-answer"];
  const faults: Fault[] = [...breaking, "hang"];
  const pairs = breaking.flatMap((one) => breaking.map((two): Fault[] => [one, two]));

  /** No attempt is late because the machine is. */
  const timeoutOf = (plan: Fault[]) => (plan.includes("hang") ? 500 : 30_000);

  /** A client behind a proxy of its own: nothing of another case is kept alive. */
  const withFaults = async <T>(
    plan: Fault[],
    run: (ducat: Awaited<ReturnType<Stage["createClient"]>>) => Promise<T>,
  ) => {
    const proxy = await startFaultyProxy(stage.port, plan);
    try {
      const options = { baseUrl: proxy.url, timeoutMs: timeoutOf(plan), maxRetries: 8 };
      const ducat = await stage.createClient(options);
      const result = await run(ducat);
      expect([plan, proxy.left()]).toEqual([plan, 0]);
      const { account } = ducat;
      return { result, ducat: await stage.createClient({ account }, 0), account };
    } finally {
      await proxy.close();
    }
  };

  it("makes one generation and pays it once, wherever two connections in turn break", async () => {
    const plans: Fault[][] = [...pairs, ["hang"], ["within-answer", "hang"]];
    const check = async (plan: Fault[]) => {
      const body = order();
      const { result, ducat } = await withFaults(plan, (one) => one.generations.create(body));
      const all = await ducat.generations.list().page();
      expect([plan, all.data.map(({ id }) => id)]).toEqual([plan, [result.id]]);
      expect(result.cost).toBe(1);
      const { available, held } = await ducat.credits.balance();
      expect([plan, available, held]).toEqual([plan, 22, 1]);
    };
    await Promise.all(plans.map(check));
  });

  it("makes one batch, and takes credits once", async () => {
    const { input, ...rest } = order();
    const checkBatch = async (fault: Fault, body: CreateBatch | BatchFile) => {
      const batch = await withFaults([fault], (one) => one.generations.batch(body));
      const all = await batch.ducat.generations.list().page();
      expect(all.data.map((one) => one.id)).toEqual([batch.result.id]);
    };
    const checkCredits = async (fault: Fault) => {
      const letter = { amount: 4, description: "a letter" };
      const taken = await withFaults([fault], (one) => one.credits.consume(letter));
      const { data } = await taken.ducat.credits.transactions({ type: "usage" }).page();
      expect(data.map(({ amount }) => amount)).toEqual([-4]);
    };
    const file = new Blob(["label,prompt\nA-1,a pond\n"]);
    const checks = faults.flatMap((fault) => [
      checkBatch(fault, { ...rest, rows: [{ input }, { input }] }),
      checkBatch(fault, { ...rest, file }),
      checkCredits(fault),
    ]);
    await Promise.all(checks);
  });

  it("does not send again what has no key and could happen twice", async () => {
    const check = async (fault: Fault) => {
      const proxy = await startFaultyProxy(stage.port, [fault, fault]);
      const timeoutMs = timeoutOf([fault]);
      const ducat = await stage.createClient({ baseUrl: proxy.url, timeoutMs });
      const made = ducat.albums.create({ name: "one" });
      const code = fault === "hang" ? "timed_out" : "connection_failed";
      await expect(made).rejects.toMatchObject({ code, status: 0 });
      expect(proxy.left()).toBe(1);
      await proxy.close();
    };
    await Promise.all(faults.map(check));
  });

  it("takes a deletion whose answer was lost for done, and no other", async () => {
    const { result, ducat } = await withFaults([], (one) => one.albums.create({ name: "one" }));
    const proxy = await startFaultyProxy(stage.port, ["before-answer"]);
    const broken = await stage.createClient({ baseUrl: proxy.url, account: ducat.account });
    await expect(broken.albums.delete(result.id)).resolves.toBeUndefined();
    await proxy.close();
    const again = ducat.albums.delete(result.id);
    await expect(again).rejects.toMatchObject({ code: "not_found", status: 404 });
  });
});

/** A server that answers as it is told, and what it was asked. */
async function startServer(answer: RequestListener) {
  const heard: { method: string; url: string; headers: Record<string, unknown> }[] = [];
  const server = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    heard.push({ method, url, headers });
    request.resume().on("end", () => answer(request, response));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const create = (options: Partial<TransportOptions> = {}) =>
    createTransport({ baseUrl, key: "dk_test_x", ...options } as TransportOptions);
  return { baseUrl, create, heard };
}

/** Refuses the first requests so, and answers the rest. */
function refuseFirst(refusals: { status: number; code?: string; after?: string }[]) {
  const left = [...refusals];
  const listener: RequestListener = (_, response) => {
    const refusal = left.shift();
    const type = { "content-type": "application/problem+json" };
    if (!refusal)
      return void response.writeHead(200, { "content-type": "application/json" }).end("{}");
    const { status, code, after } = refusal;
    response.writeHead(status, { ...type, ...(after !== undefined && { "retry-after": after }) });
    response.end(
      code ? JSON.stringify({ code, status, title: "No.", request_id: "r-1" }) : "<html>",
    );
  };
  return listener;
}

const keyed = { method: "POST", path: "/v1/generations", body: {}, isKeyed: true };

describe("a request", () => {
  it("is sent again with the same key when the refusal passes", async () => {
    const passing = [
      { status: 409, code: "in_progress" },
      { status: 408 },
      { status: 429, code: "rate_limited", after: "0" },
      { status: 500, code: "internal" },
      { status: 502 },
      { status: 503, code: "unavailable", after: "0" },
    ];
    const { create, heard } = await startServer(refuseFirst(passing));
    await create({ maxRetries: 6 }).request(keyed);
    expect(heard).toHaveLength(7);
    const keys = new Set(heard.map(({ headers }) => headers["idempotency-key"]));
    expect([...keys]).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
    await create().request(keyed);
    expect(keys).not.toContain(heard.at(-1)?.headers["idempotency-key"]);
  });

  it("is not sent again when the refusal lasts", async () => {
    const lasting = [
      { status: 402, code: "insufficient_credits" },
      { status: 409, code: "invalid_state" },
      { status: 422, code: "idempotency_conflict" },
    ];
    const { create, heard } = await startServer(refuseFirst(lasting));
    for (const { code, status } of lasting) {
      const refused = { code, status, requestId: "r-1" };
      await expect(create().request(keyed)).rejects.toMatchObject(refused);
    }
    expect(heard).toHaveLength(3);
  });

  it("is given up after so many attempts, ten more than the first at most", async () => {
    const { create, heard } = await startServer(refuseFirst(Array(40).fill({ status: 500 })));
    const refused = { code: "unexpected_answer", status: 500 };
    await expect(create({ maxRetries: 2 }).request(keyed)).rejects.toMatchObject(refused);
    expect(heard).toHaveLength(3);
    await expect(create({ maxRetries: 99 }).request(keyed)).rejects.toMatchObject(refused);
    expect(heard).toHaveLength(3 + 11);
    const once = { ...keyed, isKeyed: false };
    await expect(create().request(once)).rejects.toMatchObject(refused);
    expect(heard).toHaveLength(3 + 11 + 1);
  });

  it("waits as long as the server asks, unless that is too long", async () => {
    const told = (retryAfterS?: number) =>
      new DucatError("rate_limited", { message: "No.", status: 429, retryAfterS });
    expect([0, 1, 9].map((count) => pauseBefore(count, told(3)))).toEqual([3_000, 3_000, 3_000]);
    expect([pauseBefore(0, told(60)), pauseBefore(0, told(61))]).toEqual([60_000, undefined]);
    vi.mocked(Math.random).mockReturnValue(1);
    const pauses = [0, 1, 2, 3, 4, 9].map((count) => pauseBefore(count, told()));
    expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 8_000]);

    const { create, heard } = await startServer(
      refuseFirst([{ status: 429, code: "rate_limited", after: "3600" }]),
    );
    const refused = { code: "rate_limited", retryAfterS: 3_600 };
    await expect(create().request(keyed)).rejects.toMatchObject(refused);
    expect(heard).toHaveLength(1);
  });

  it("asks for one new token when the old one has ended, whatever the request", async () => {
    const isOld = (bearer = "") => bearer === "Bearer t-1";
    const { create, heard } = await startServer((request, response) => {
      if (!isOld(request.headers.authorization)) return void response.end();
      const problem = { code: "unauthenticated", status: 401, title: "No.", request_id: "r-1" };
      response.writeHead(401).end(JSON.stringify(problem));
    });
    let asked = 0;
    const transport = create({ key: undefined, token: async () => `t-${++asked}` } as never);
    const plain = { method: "POST", path: "/v1/albums", body: {} };
    await Promise.all([transport.request(plain), transport.request(plain)]);
    await transport.request(plain);
    expect([asked, heard.length]).toEqual([2, 5]);
    const stubborn = create({ key: undefined, token: () => "t-1" } as never);
    await expect(stubborn.request(plain)).rejects.toMatchObject({ code: "unauthenticated" });
    expect(heard).toHaveLength(7);
  });

  it("ends with the caller's signal, at once and as the signal says", async () => {
    const { create, heard } = await startServer(() => undefined);
    const reason = new Error("enough");
    const ending = new AbortController();
    const how = { ...keyed, signal: ending.signal };
    const asked = [how, { ...how, isKeyed: false }].map((one) => create().request(one));
    const ends = Promise.allSettled(asked);
    await vi.waitFor(() => expect(heard).toHaveLength(2));
    ending.abort(reason);
    expect(await ends).toEqual(asked.map(() => ({ status: "rejected", reason })));
    await expect(create().request(how)).rejects.toBe(reason);
    expect(heard).toHaveLength(2);
  });

  it("takes its key nowhere else", async () => {
    const elsewhere = await startServer(refuseFirst([]));
    const { create } = await startServer((_, response) => {
      response.writeHead(307, { location: elsewhere.baseUrl }).end();
    });
    const asked = create({ maxRetries: 0 }).request(keyed);
    await expect(asked).rejects.toMatchObject({ code: "connection_failed" });
    expect(elsewhere.heard).toEqual([]);
  });
});
