import { once } from "node:events";
import https from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createNameLookup } from "@ducat/egress/name-lookup";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { hostileUrls, localAddresses } from "../../../../packages/egress/test/hostile-urls.ts";
import { startNameServer } from "../../../../packages/egress/test/name-server.ts";
import { type Canary, openCanary } from "../../test/canary.ts";
import { makeCertificate } from "../../test/make-certificate.ts";
import { openReceiver, type Receiver, verify } from "../../test/receiver.ts";
import { createWebhookSender, type SendWebhook, type WebhookMessage } from "./send-webhook.ts";

const secret = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
const former = `whsec_${Buffer.alloc(32, 2).toString("base64")}`;
const foreign = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;
const message = (url: string, more: Partial<WebhookMessage> = {}): WebhookMessage => ({
  url,
  id: "0193d3a5-7a10-7000-8000-000000000001",
  body: JSON.stringify({ type: "webhook.test", data: { name: "سارا" } }),
  secrets: [secret],
  ...more,
});

describe("what is sent", () => {
  let receiver: Receiver;
  let send: SendWebhook;
  beforeAll(async () => {
    receiver = await openReceiver();
    send = createWebhookSender({ allowHosts: [receiver.host], timeoutMs: 5_000 });
  });
  afterAll(() => receiver.close());
  beforeEach(() => {
    receiver.received.length = 0;
    receiver.answer = (_, response) => void response.writeHead(204).end();
  });

  it("verifies by the standard's own library, under its id", async () => {
    const sent = message(`${receiver.url}?a=b`);
    expect(await send(sent)).toEqual({ ok: true, status: 204, ms: expect.any(Number) });
    const [got] = receiver.received;
    expect(got?.path).toBe("/hook?a=b");
    expect(got?.headers).toMatchObject({ "webhook-id": sent.id, "user-agent": "Ducat" });
    expect(got?.headers["content-type"]).toBe("application/json");
    expect(got && verify(got, secret)).toEqual(JSON.parse(sent.body));
    expect(() => got && verify({ ...got, body: `${got.body} ` }, secret)).toThrow("signature");
  });

  it("verifies by the former secret too while both sign, and by no other", async () => {
    await send(message(receiver.url, { secrets: [secret, former] }));
    const [got] = receiver.received;
    for (const one of [secret, former]) expect(got && verify(got, one)).toBeTruthy();
    expect(() => got && verify(got, foreign)).toThrow("signature");
  });

  it("is of the moment, whenever the event was", async () => {
    const old = createWebhookSender({
      allowHosts: [receiver.host],
      now: () => new Date(Date.now() - 400_000),
    });
    await old(message(receiver.url));
    expect(() => verify(receiver.received[0] as never, secret)).toThrow("too old");
  });

  it.each([[[]], [["whsec_"]], [["whsec_c2hvcnQ="]], [[secret.replace("whsec_", "sk_")]]])(
    "leaves nobody unsigned: %j",
    async (secrets) => {
      await expect(send(message(receiver.url, { secrets }))).rejects.toThrow(/secret|unsigned/);
      expect(receiver.received).toEqual([]);
    },
  );

  it.each([200, 201, 202, 204, 299])("is received by %i", async (status) => {
    receiver.answer = (_, response) => void response.writeHead(status).end();
    expect(await send(message(receiver.url))).toMatchObject({ ok: true, status });
  });

  it.each([301, 302, 303, 304, 307, 308])("is not received by %i, nor sent on", async (status) => {
    receiver.answer = (_, response) => void response.writeHead(status, { location: "/x" }).end();
    expect(await send(message(receiver.url))).toMatchObject({
      ...{ ok: false, status, error: "redirect" },
    });
    expect(receiver.received).toHaveLength(1);
  });

  it.each([400, 401, 404, 408, 410, 429, 500, 502, 503, 504])(
    "is not received by %i",
    async (status) => {
      receiver.answer = (_, response) => void response.writeHead(status).end();
      const result = await send(message(receiver.url));
      expect(result).toMatchObject({ ok: false, status, error: "status" });
      expect(result.gone).toBe(status === 410 ? true : undefined);
      expect(result).not.toHaveProperty("retryAfterS");
    },
  );

  it.each([
    [429, "120", 120],
    [503, "7200", 3600],
    [503, "0", 0],
    [429, "soon", undefined],
    [429, "-5", undefined],
    [500, "120", undefined],
    [200, "120", undefined],
  ])("hears of a %i that asks for rest by %s: %s s", async (status, text, rest) => {
    receiver.answer = (_, answer) => void answer.writeHead(status, { "retry-after": text }).end();
    expect((await send(message(receiver.url))).retryAfterS).toBe(rest);
  });

  it("hears of a date to come back at", async () => {
    const date = new Date(Date.now() + 90_000).toUTCString();
    receiver.answer = (_, answer) => void answer.writeHead(503, { "retry-after": date }).end();
    const { retryAfterS } = await send(message(receiver.url));
    expect(retryAfterS).toBeGreaterThan(80);
    expect(retryAfterS).toBeLessThanOrEqual(90);
  });
});

describe("receivers as they are", () => {
  const opened: { close(): unknown }[] = [];
  afterEach(() => {
    for (const server of opened.splice(0)) server.close();
  });

  /** Says these bytes on every connection once something came, and then what `after` does. */
  async function openSocket(bytes: string, after: (socket: Socket) => void) {
    let ended = 0;
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("close", () => {
        ended += 1;
      });
      socket.once("data", () => {
        if (bytes) socket.write(bytes, "latin1");
        after(socket);
      });
    });
    server.listen(0, "127.0.0.1");
    opened.push(server);
    await once(server, "listening");
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const send = createWebhookSender({ allowHosts: [host], timeoutMs: 200 });
    return { url: `http://${host}/`, send, ended: () => ended };
  }
  const every = (ms: number, bytes: string) => (socket: Socket) => {
    const timer = setInterval(() => socket.write(bytes), ms);
    socket.once("close", () => clearInterval(timer));
  };
  const nothing = () => {};
  const upgrade = "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";

  it.each([
    ["is silent", "", nothing, "timeout"],
    ["begins and stops", "HTTP/1.1 200 OK\r\nx: ", nothing, "timeout"],
    ["drips its head", "HTTP/1.1 200 OK\r\n", every(10, "x: y\r\n"), "timeout"],
    ["says 103 for ever", "", every(10, "HTTP/1.1 103 Early Hints\r\n\r\n"), "timeout"],
    ["switches protocols", upgrade, nothing, "network"],
    ["resets", "", (socket) => void socket.resetAndDestroy(), "network"],
    ["hangs up", "", (socket) => void socket.end(), "network"],
    ["speaks no HTTP", "220 mail.test ESMTP\r\n", nothing, "network"],
    ["has a huge head", `HTTP/1.1 200 OK\r\nx: ${"x".repeat(40_000)}`, nothing, "network"],
  ] as [string, string, (socket: Socket) => void, string][])(
    "one that %s did not receive",
    async (_, bytes, after, error) => {
      const { url, send, ended } = await openSocket(bytes, after);
      const result = await send(message(url));
      expect(result).toEqual({ ok: false, ms: expect.any(Number), error });
      expect(result.ms).toBeLessThan(2_000);
      await expect.poll(ended).toBe(1);
    },
  );

  it("one that never ends its answer received it, and is left", async () => {
    const dripping = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    const { url, send, ended } = await openSocket(dripping, every(20, "1\r\nx\r\n"));
    expect(await send(message(url))).toMatchObject({ ok: true, status: 200 });
    await expect.poll(ended, { timeout: 5_000 }).toBe(1);
  });

  it("one with a huge answer received it, and is cut off", async () => {
    let sent = 0;
    const { url, send, ended } = await openSocket(
      "HTTP/1.1 500 No\r\ncontent-length: 10000000000\r\n\r\n",
      (socket) => {
        const chunk = Buffer.alloc(16_384);
        const more = () => {
          while (!socket.destroyed && socket.write(chunk)) sent += chunk.length;
        };
        socket.on("drain", more);
        more();
      },
    );
    expect(await send(message(url))).toMatchObject({ ok: false, status: 500 });
    await expect.poll(ended).toBe(1);
    expect(sent).toBeLessThan(50_000_000);
  });

  it("one that is not there did not receive", async () => {
    const { url, send } = await openSocket("", nothing);
    const server = opened.pop() as Server;
    server.close();
    await once(server, "close");
    expect(await send(message(url))).toMatchObject({ ok: false, error: "network" });
  });

  it("one whose certificate nobody knows receives nothing", async () => {
    const { key, cert } = makeCertificate();
    let requests = 0;
    const server = https.createServer({ key, cert }, (_, response) => {
      requests += 1;
      response.end();
    });
    server.listen(0, "127.0.0.1");
    opened.push(server);
    await once(server, "listening");
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const send = createWebhookSender({ allowHosts: [host] });
    expect(await send(message(`https://${host}/`))).toMatchObject({ ok: false, error: "tls" });
    expect(requests).toBe(0);
  });

  it("one that speaks no TLS receives nothing", async () => {
    const { url } = await openSocket("HTTP/1.1 200 OK\r\n\r\n", (socket) => void socket.end());
    const send = createWebhookSender({ allowHosts: [new URL(url).host] });
    expect(await send(message(url.replace("http:", "https:")))).toMatchObject({ error: "tls" });
  });

  it("the caller's own stop is passed on, and the connection is gone", async () => {
    const { url, send, ended } = await openSocket("", nothing);
    const stop = new AbortController();
    const sent = send(message(url), { signal: stop.signal });
    stop.abort(new Error("closing"));
    await expect(sent).rejects.toThrow("closing");
    await expect(send(message(url), { signal: stop.signal })).rejects.toThrow("closing");
    expect(ended()).toBeLessThanOrEqual(1);
  });
});

describe("addresses that must not be reached", () => {
  let canary: Canary;
  beforeAll(async () => {
    canary = await openCanary();
  });
  afterAll(() => canary.close());
  beforeEach(() => canary.reset());

  /** Everything that isn't told otherwise leads to where the canary listens. */
  async function openNames(answers: Record<string, string[]> = {}) {
    const server = await startNameServer((name, type) => {
      const known = answers[name] ?? ["127.0.0.1", "::1"];
      return known.filter((address) => address.includes(":") === (type === "AAAA"));
    });
    const lookup = createNameLookup({ servers: [server.address], timeoutMs: 500 });
    const send = createWebhookSender({ httpsPort: canary.port, timeoutMs: 3_000, lookup });
    return { server, send };
  }

  it("no hostile spelling and no name gets a connection", async () => {
    const names = {
      "six.test": ["::1"],
      "mixed.test": ["93.184.215.14", "127.0.0.1"],
      "mixed-six.test": ["2606:4700::1111", "::1"],
      "compatible.test": ["::7f00:1"],
      "metadata.test": ["169.254.169.254"],
    };
    const { server, send } = await openNames(names);
    const urls = hostileUrls(canary.port);
    expect(new Set(urls).size).toBeGreaterThanOrEqual(80);
    for (const url of [...urls, ...Object.keys(names).map((n) => `https://${n}:${canary.port}/`)]) {
      const result = await send(message(url));
      expect(["blocked", "name"], url).toContain(result.error);
      expect(result.ok).toBe(false);
    }
    expect(canary.hits()).toBe(0);
    await server.close();
  });

  it("every special address is refused, written out or looked up", async () => {
    const answers = Object.fromEntries(localAddresses.map((ip, n) => [`hook-${n}.test`, [ip]]));
    const { server, send } = await openNames(answers);
    for (const [n, address] of localAddresses.entries()) {
      const literal = address.includes(":") ? `[${address}]` : address;
      for (const host of [literal, `hook-${n}.test`]) {
        const { error } = await send(message(`https://${host}:${canary.port}/`));
        expect(error, `${host} ${address}`).toBe("blocked");
      }
    }
    expect(canary.hits()).toBe(0);
    await server.close();
  });

  it("a name that changes its answer is judged by the answer that is connected to", async () => {
    let asked = 0;
    const server = await startNameServer((_, type) => {
      if (type === "AAAA") return asked === 1 ? ["3ffe:ffff::1"] : ["::1"];
      asked += 1;
      return asked === 1 ? [] : ["127.0.0.1"];
    });
    const lookup = createNameLookup({ servers: [server.address] });
    const send = createWebhookSender({ httpsPort: canary.port, timeoutMs: 300, lookup });
    const url = `https://rebinding.test:${canary.port}/`;
    // The first answer is public, though nobody is there: it is asked, and the name not again.
    expect(["timeout", "network", "tls"]).toContain((await send(message(url))).error);
    expect(asked).toBe(1);
    expect((await send(message(url))).error).toBe("blocked");
    expect(asked).toBe(2);
    expect(canary.hits()).toBe(0);
    await server.close();
  });

  // All of them once, a sample of the rest: none is looked at.
  it.each([
    [301, 9],
    [302, 9],
    [303, 9],
    [307, 1],
    [308, 9],
  ])("a %i redirect leads to none of them", async (status, step) => {
    const receiver = await openReceiver();
    const { server } = await openNames();
    const lookup = createNameLookup({ servers: [server.address] });
    const rules = { allowHosts: [receiver.host], httpsPort: canary.port, lookup };
    const send = createWebhookSender(rules);
    const urls = hostileUrls(canary.port).filter((url) => !/[^!-~]/.test(url));
    for (const location of urls.filter((_, n) => n % step === 0)) {
      receiver.answer = (_, response) => void response.writeHead(status, { location }).end();
      expect((await send(message(receiver.url))).error, location).toBe("redirect");
    }
    expect(canary.hits()).toBe(0);
    expect(server.questions).toEqual([]);
    await Promise.all([receiver.close(), server.close()]);
  });

  it("a name that nobody knows is told apart", async () => {
    const { server, send } = await openNames({ "nobody.test": [] });
    const result = await send(message(`https://nobody.test:${canary.port}/`));
    expect(result).toMatchObject({ ok: false, error: "name" });
    await server.close();
    // Nor does anybody answer for it now.
    expect((await send(message(`https://gone.test:${canary.port}/`))).error).toBe("name");
  });

  it("a name whose servers are silent takes no longer than any other fault", async () => {
    const server = await startNameServer(() => undefined);
    const lookup = createNameLookup({ servers: [server.address], timeoutMs: 5_000 });
    const send = createWebhookSender({ timeoutMs: 200, lookup });
    const result = await send(message("https://silent.test/"));
    expect(result).toMatchObject({ ok: false, error: "timeout" });
    expect(result.ms).toBeLessThan(2_000);
    await server.close();
  });

  it("only the named host and port is let through, and then the canary does count", async () => {
    const send = createWebhookSender({ allowHosts: [`127.0.0.1:${canary.port}`] });
    for (const host of ["127.0.0.2", "localhost", "127.0.0.1.nip.io"]) {
      const { error } = await send(message(`http://${host}:${canary.port}/`));
      expect(error, host).toBe("blocked");
    }
    expect(canary.hits()).toBe(0);
    const { error } = await send(message(`http://127.0.0.1:${canary.port}/`));
    expect(error).toBe("network");
    expect(canary.hits()).toBe(1);
  });
});
