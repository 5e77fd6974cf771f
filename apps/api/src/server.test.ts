import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, order, rootKey, type Stage, setStage } from "../test/stage.ts";
import { type RunningServer, startServer } from "./server.ts";

describe("the server", () => {
  let stage: Stage;
  let server: RunningServer;
  let account: string;
  beforeAll(async () => {
    stage = await setStage();
    server = await startServer(stage.app, { host: "127.0.0.1", port: 0 });
    account = await stage.makeAccount(50);
  });
  afterAll(async () => {
    await server.close(1_000);
    await stage.close();
  });

  const call = (path: string, init: RequestInit = {}, more: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, {
      ...init,
      headers: {
        authorization: `Bearer ${rootKey}`,
        "ducat-account": account,
        "content-type": "application/json",
        ...more,
      },
    });
  /** What the server answers to these bytes. */
  const send = (...bytes: string[]) =>
    new Promise<string>((resolve) => {
      const socket = connect(server.port, "127.0.0.1");
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk;
      });
      socket.on("close", () => resolve(text));
      for (const part of bytes) socket.write(part);
    });

  it("answers over the network as the app does", async () => {
    const made = await call(
      "/v1/generations",
      { method: "POST", body: JSON.stringify(order()) },
      { "idempotency-key": "net" },
    );
    expect(made.status).toBe(201);
    expect(made.headers.get("x-content-type-options")).toBe("nosniff");
  });

  it("refuses a JSON body over 256 KiB, with and without an announced length", async () => {
    const body = JSON.stringify({ amount: 1, description: "x".repeat(300_000) });
    const stream = new ReadableStream({
      start(controller) {
        for (let at = 0; at < body.length; at += 10_000) {
          controller.enqueue(Buffer.from(body.slice(at, at + 10_000)));
        }
        controller.close();
      },
    });
    const key = { "idempotency-key": "large" };
    const bodies: RequestInit[] = [{ body }, { body: stream, duplex: "half" } as RequestInit];
    for (const init of bodies) {
      const refused = await call("/v1/credits/consume", { method: "POST", ...init }, key);
      expect([refused.status, await refused.json()]).toMatchObject([
        413,
        { code: "payload_too_large" },
      ]);
    }
  });

  it("refuses what is no HTTP with a problem document", async () => {
    const answers = await Promise.all([
      send("NONSENSE\r\n\r\n"),
      send(
        "POST /v1/accounts HTTP/1.1\r\nHost: x\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      ),
      send("GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n"),
    ]);
    for (const text of answers) {
      expect(text).toMatch(/^HTTP\/1.1 400 /);
      expect(text.toLowerCase()).toContain("content-type: application/problem+json");
      expect(text).toContain('"code":"malformed_body"');
    }
  });

  it("refuses headers over 16 KiB", async () => {
    const text = await send(`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1.1 413 /);
    expect(text).toContain('"code":"payload_too_large"');
  });

  it("refuses a body that breaks off, and goes on", async () => {
    const socket = connect(server.port, "127.0.0.1");
    socket.write(
      `POST /v1/credits/consume HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${rootKey}\r\n` +
        `Ducat-Account: ${account}\r\nIdempotency-Key: cut\r\nContent-Type: application/json\r\n` +
        'Content-Length: 100\r\n\r\n{"amount": 1',
    );
    await sleep(20);
    socket.destroy();
    await eventually(() =>
      expect(stage.lines.join("")).toMatch(/"path":"\/v1\/credits\/consume".*"status":400/),
    );
    expect((await call("/livez")).status).toBe(200);
  });

  it("stops waiting for a client that has gone", async () => {
    const waits = () => stage.lines.filter((line) => line.includes('"route":"/v1/generations"'));
    const before = waits().length;
    const controller = new AbortController();
    const gone = call(
      "/v1/generations",
      { method: "POST", body: JSON.stringify(order()), signal: controller.signal },
      { "idempotency-key": "gone", prefer: "wait=60" },
    );
    await eventually(async () => {
      const rows = await stage.db.admin`
        SELECT FROM ducat.generations WHERE idempotency_key = 'gone'`;
      expect(rows).toHaveLength(1);
    });
    controller.abort();
    await expect(gone).rejects.toThrow();
    await eventually(() => expect(waits().length).toBe(before + 1));
  });

  it("tells its numbers to this machine", async () => {
    const metrics = await call("/metrics");
    expect(metrics.status).toBe(200);
    const text = await metrics.text();
    const labels = 'method="POST",route="/v1/generations",status="201"';
    expect(text).toContain(`http_request_duration_seconds_count{${labels}} `);
    expect(text).toContain('ducat_up{part="queue"} 1');
    expect(text).toMatch(/ducat_backlog_items \d/);
    const proxied = await call("/metrics", {}, { "x-forwarded-for": "203.0.113.7" });
    expect(proxied.status).toBe(403);
  });

  it("writes the caller's address into the audit line", async () => {
    await call(
      `/v1/admin/accounts/${account}/credits`,
      { method: "POST", body: JSON.stringify({ amount: 1, reason: "r" }) },
      { "idempotency-key": "audited" },
    );
    const rows = await stage.db.admin`
      SELECT ip FROM ducat.audit_logs WHERE account_id = ${account} ORDER BY id DESC LIMIT 1`;
    expect(rows[0]?.ip).toBe("127.0.0.1");
  });
});

describe("closing", () => {
  it("waits for a running request and no longer than the grace", async () => {
    const closing = new AbortController();
    const stage = await setStage({ deps: { closing: closing.signal } });
    const server = await startServer(stage.app, { host: "127.0.0.1", port: 0 });
    const url = `http://127.0.0.1:${server.port}`;
    // Half a request that nobody finishes.
    const stuck = connect(server.port, "127.0.0.1");
    stuck.write("POST /v1/accounts HTTP/1.1\r\nHost: x\r\n");
    expect((await fetch(`${url}/livez`)).headers.get("connection")).toBe("keep-alive");
    closing.abort();
    const last = await fetch(`${url}/readyz`);
    expect([last.status, last.headers.get("connection")]).toEqual([503, "close"]);
    const startedAt = performance.now();
    await server.close(300);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    stuck.destroy();
    await stage.close();
  });
});
