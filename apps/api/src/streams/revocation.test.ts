import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type OpenStream, openEvents, type StreamCall } from "../../test/read-stream.ts";
import { eventually, type Stage, setStage } from "../../test/stage.ts";
import { makeSession } from "../../test/tenant.ts";
import { createApp } from "../app.ts";

const metricsToken = "m".repeat(32);
let stage: Stage;
let open: OpenStream[] = [];
const closing = new AbortController();
beforeAll(async () => {
  stage = await setStage({ deps: { metricsToken } });
});
afterEach(async () => {
  await Promise.all(open.map((stream) => stream.close()));
  open = [];
});
afterAll(() => stage.close());

async function listen(call: StreamCall, query = ""): Promise<OpenStream> {
  const ask = (path: string, init: RequestInit) => stage.app.request(path, init);
  const stream = await openEvents(ask, `/v1/events/stream${query}`, call);
  open.push(stream);
  if (stream.status === 200) await stream.until(({ type }) => type === "balance");
  return stream;
}

const expectEnded = async (stream: OpenStream) => {
  await stream.ended;
  expect(stream.comments.at(-1)).toBe("whoever opened this may not listen any more");
};
const audited = { method: "POST", body: { reason: "test" } };

/** Shorter than the next look at all streams, which would close them too. */
const atOnce = 12_000;

describe("a stream is closed at once", () => {
  it(
    "when its key is revoked, and no other stream is",
    async () => {
      const account = await stage.makeAccount(1);
      const key = await stage.call("/v1/api-keys", {
        ...{ account, key: randomUUID(), body: { name: "x", scopes: ["events"] } },
      });
      const [keyed, other] = [await listen({ bearer: key.body.key }), await listen({ account })];
      const ticket = await stage.call("/v1/events/tickets", { body: {}, bearer: key.body.key });
      const ticketed = await listen({ bearer: null }, `?ticket=${ticket.body.ticket}`);
      const { id } = key.body;
      const gone = await stage.call(`/v1/api-keys/${id}`, { account, method: "DELETE" });
      expect(gone.status).toBeLessThan(300);
      await Promise.all([expectEnded(keyed), expectEnded(ticketed)]);
      await stage.call(`/v1/admin/accounts/${account}/credits`, {
        ...{ key: randomUUID(), body: { amount: 1, reason: "test" } },
      });
      await other.until(({ data }) => data.available === 5);
    },
    atOnce,
  );

  it(
    "when its session ends, and its login's other session goes on",
    async () => {
      const account = await stage.makeAccount(1);
      const session = await makeSession(stage, account);
      const bearer = await session.begin();
      const [first, second] = [await listen({ bearer: session.access }), await listen({ bearer })];
      await stage.call("/v1/auth/logout", { method: "POST", bearer: session.access });
      await expectEnded(first);
      await stage.call(`/v1/admin/logins/${session.loginId}/ban`, audited);
      await expectEnded(second);
    },
    atOnce,
  );

  it(
    "when its account is deactivated or erased, whoever listens",
    async () => {
      const account = await stage.makeAccount(1);
      const token = await stage.call(`/v1/accounts/${account}/tokens`, {
        method: "POST",
        body: {},
      });
      const all = [await listen({ account }), await listen({ bearer: token.body.token })];
      await stage.call(`/v1/admin/accounts/${account}/deactivate`, audited);
      await Promise.all(all.map(expectEnded));
      expect((await stage.call("/v1/events/stream", { account })).status).toBe(403);
      const other = await stage.makeAccount(1);
      const stream = await listen({ account: other });
      const { loginId: _, ...session } = await makeSession(stage, other);
      const own = await listen({ bearer: session.access });
      await stage.call(`/v1/me?confirm=true`, { method: "DELETE", account: other });
      await Promise.all([expectEnded(stream), expectEnded(own)]);
    },
    atOnce,
  );

  it("when the token that it was opened with is over", async () => {
    const account = await stage.makeAccount(1);
    const token = await stage.call(`/v1/accounts/${account}/tokens`, {
      ...{ method: "POST", body: { expires_in: 1 } },
    });
    const stream = await listen({ bearer: token.body.token });
    await stream.ended;
    expect(stream.comments.at(-1)).toBe("the time is over, connect again");
  });
});

describe("streams", () => {
  it("of an account are a hundred in a process; who leaves makes room", async () => {
    const account = await stage.makeAccount(1);
    const all = await Promise.all(Array.from({ length: 100 }, () => listen({ account })));
    const refused = await stage.call("/v1/events/stream", { account });
    expect([refused.status, refused.body.code]).toEqual([429, "rate_limited"]);
    const other = await stage.makeAccount(1);
    expect((await listen({ account: other })).status).toBe(200);
    await all[0]?.close();
    expect((await listen({ account })).status).toBe(200);
    const metrics = await stage.call("/metrics", { bearer: metricsToken });
    expect(metrics.text).toContain('ducat_streams{kind="account"} 101');
    expect(metrics.text).toMatch(/ducat_streams_ended_total{kind="account",why="left"} \d/);
    expect(metrics.text).toMatch(/ducat_streams_ended_total{kind="account",why="revoked"} \d/);
  });

  it("end when the process stops, and it takes no new ones", async () => {
    const account = await stage.makeAccount(1);
    const app = createApp({ ...stage.deps, closing: closing.signal });
    const ask = (path: string, init: RequestInit) => app.request(path, init);
    const stream = await openEvents(ask, "/v1/events/stream", { account });
    await stream.until(({ type }) => type === "balance");
    closing.abort();
    await stream.ended;
    expect(stream.comments).toEqual(["this process stops, connect again"]);
    const late = await openEvents(ask, "/v1/events/stream", { account });
    expect(late.status).toBe(503);
    await late.close();
  });

  it("let pages of allowed origins read them, and no others", async () => {
    const account = await stage.makeAccount(1);
    const app = createApp({ ...stage.deps, allowedOrigins: ["https://shop.example"] });
    const ask = (path: string, init: RequestInit) => app.request(path, init);
    for (const origin of ["https://shop.example", "https://other.example"]) {
      const stream = await openEvents(ask, "/v1/events/stream", { account, headers: { origin } });
      const allowed = stream.headers.get("access-control-allow-origin");
      expect(allowed).toBe(origin.includes("shop") ? origin : null);
      await stream.close();
    }
    const preflight = await app.request("/v1/events/stream", {
      method: "OPTIONS",
      headers: { origin: "https://shop.example", "access-control-request-method": "GET" },
    });
    expect(preflight.headers.get("access-control-allow-headers")).toContain("Last-Event-ID");
  });

  it("leave nothing behind: no subscription, no timer, no place", async () => {
    const account = await stage.makeAccount(1);
    const stream = await listen({ account });
    await stream.close();
    await eventually(async () => {
      const { text } = await stage.call("/metrics", { bearer: metricsToken });
      expect(text).toContain('ducat_streams{kind="account"} 0');
    });
  });
});
