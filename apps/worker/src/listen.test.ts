import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, expect, it } from "vitest";
import { type ListenDeps, type Listener, listen } from "./listen.ts";

const log = { info() {}, warn() {}, error() {} };
const ok = { status: "ok" } as const;
const deps: ListenDeps = {
  metrics: { read: async () => ({ text: "up 1\n", type: "text/plain; version=0.0.4" }) },
  readReadiness: async () => ({ ready: true, checks: { process: ok, database: ok } }),
  token: undefined,
  log,
};

const listeners: Listener[] = [];
afterEach(async () => {
  await Promise.all(listeners.splice(0).map((one) => one.close()));
});

async function open(more: Partial<ListenDeps> = {}) {
  const listener = await listen({ ...deps, ...more }, { host: "127.0.0.1", port: 0 });
  listeners.push(listener);
  return async (path: string, init?: RequestInit) => {
    const answer = await fetch(`http://127.0.0.1:${listener.port}${path}`, init);
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };
}

it("says that it is alive, and whether it works", async () => {
  const stopping = { status: "failed", detail: "It is stopping." } as const;
  const call = await open();
  expect(await call("/livez")).toMatchObject({ status: 200, text: '{"status":"ok"}' });
  expect(await call("/readyz?x=1")).toMatchObject({ status: 200 });
  const readReadiness = async () => ({ ready: false, checks: { process: stopping, database: ok } });
  const other = await open({ readReadiness });
  expect(await other("/livez")).toMatchObject({ status: 200 });
  const { status, text } = await other("/readyz");
  expect(status).toBe(503);
  expect(JSON.parse(text)).toEqual({
    ...{ status: "unavailable", checks: { process: stopping, database: ok } },
  });
});

it("gives numbers to this machine, and to nobody that a proxy speaks for", async () => {
  const call = await open();
  const { status, text, headers } = await call("/metrics");
  expect([status, text]).toEqual([200, "up 1\n"]);
  expect(headers.get("content-type")).toBe("text/plain; version=0.0.4");
  for (const name of ["x-forwarded-for", "forwarded"]) {
    expect((await call("/metrics", { headers: { [name]: "127.0.0.1" } })).status).toBe(403);
  }
});

it("with a token gives them to whoever has it, and to nobody else", async () => {
  const token = "t".repeat(20);
  const call = await open({ token });
  const ask = async (authorization?: string) =>
    (await call("/metrics", authorization ? { headers: { authorization } } : {})).status;
  expect(await ask(`Bearer ${token}`)).toBe(200);
  for (const wrong of [undefined, `Bearer ${token}x`, "Bearer ", `Basic ${token}`, token]) {
    expect(await ask(wrong)).toBe(401);
  }
});

it("knows nothing else, and says so without words of the caller's", async () => {
  const call = await open();
  expect(await call("/<script>")).toMatchObject({ status: 404 });
  expect((await call("/<script>")).text).not.toContain("script");
  const posted = await call("/livez", { method: "POST", body: "x" });
  expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  expect((await call("/livez", { method: "HEAD" })).text).toBe("");
});

it("what breaks is a 500 that tells nothing", async () => {
  const read = () => Promise.reject(new Error("secret"));
  const call = await open({ metrics: { read } });
  const { status, text } = await call("/metrics");
  expect(status).toBe(500);
  expect(text).not.toContain("secret");
});

it("closes although somebody keeps a connection open", async () => {
  await open();
  const [listener] = listeners.splice(0);
  const socket = connect(listener?.port ?? 0, "127.0.0.1");
  await once(socket, "connect");
  const gone = once(socket, "close");
  await listener?.close();
  await gone;
});
