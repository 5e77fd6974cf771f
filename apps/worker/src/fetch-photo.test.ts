import type { LookupAddress } from "node:dns";
import { once } from "node:events";
import http, { type RequestListener } from "node:http";
import { type AddressInfo, createServer, type LookupFunction, type Server } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { hostileUrls, localAddresses } from "../../../packages/egress/test/hostile-urls.ts";
import { createPhotoFetcher, PhotoUnreachable } from "./fetch-photo.ts";

const photo = Buffer.from("\xff\xd8\xff a photo", "latin1");
const canaries: Server[] = [];
const opened: Server[] = [];
let canaryPort = 0;
let hits = 0;

/** A listener on every local address: whoever connects has got through. */
async function openCanary(host: string, port: number): Promise<number> {
  const canary = createServer((socket) => {
    hits += 1;
    socket.destroy();
  });
  canaries.push(canary);
  await once(canary.listen(port, host), "listening");
  return (canary.address() as AddressInfo).port;
}

beforeAll(async () => {
  canaryPort = await openCanary("127.0.0.1", 0);
  await openCanary("::1", canaryPort).catch(() => {}); // a machine may have no IPv6
});
beforeEach(() => {
  hits = 0;
});
afterAll(() => {
  for (const server of [...canaries, ...opened]) server.close();
});

/** A photo server that may be asked because its host and port are named. */
async function openServer(handler: RequestListener) {
  const server = http.createServer(handler).listen(0, "127.0.0.1");
  opened.push(server);
  await once(server, "listening");
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fetchPhoto = createPhotoFetcher({
    allowHosts: [host],
    maxBytes: 1000,
    timeoutMs: 400,
    httpsPort: canaryPort,
    lookup: lookupIn({}),
  });
  return { server, host, url: `http://${host}/photo`, fetchPhoto };
}

/** A name server of our own; names it doesn't know end where the canary listens. */
function lookupIn(names: Record<string, string[]>): LookupFunction {
  return (hostname, options, callback) => {
    const found = names[hostname] ?? ["127.0.0.1"];
    const all = found.map(
      (address): LookupAddress => ({
        address,
        family: address.includes(":") ? 6 : 4,
      }),
    );
    if (options.all) callback(null, all);
    else callback(null, all[0]!.address, all[0]!.family);
  };
}

async function failureOf(work: Promise<unknown>): Promise<PhotoUnreachable> {
  const error = await work.then(
    () => "it was fetched",
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(PhotoUnreachable);
  return error;
}

describe("addresses that must not be reached", () => {
  const names = {
    "loopback.test": ["127.0.0.1"],
    "six.test": ["::1"],
    "mixed.test": ["93.184.215.14", "127.0.0.1"],
    "mixed-six.test": ["2606:4700::1111", "::1"],
    "compatible.test": ["::7f00:1"],
    "metadata.test": ["169.254.169.254"],
  };

  test("no hostile spelling gets a connection, and each is final", async () => {
    const lookup = lookupIn(names);
    const urls = hostileUrls(canaryPort);
    expect(new Set(urls).size).toBeGreaterThanOrEqual(80);
    const fetchPhoto = createPhotoFetcher({ timeoutMs: 2000, httpsPort: canaryPort, lookup });
    for (const url of [...urls, ...Object.keys(names).map((n) => `https://${n}:${canaryPort}/`)]) {
      const { reason, retryable } = await failureOf(fetchPhoto(url));
      expect([reason, retryable], url).toEqual(["blocked", false]);
    }
    expect(hits).toBe(0);
  });

  test.each([301, 302, 303, 307, 308])("a %i redirect leads to none of them", async (status) => {
    const targets = hostileUrls(canaryPort).filter((url) => !/[\r\n\0]|[^ -~]/.test(url));
    let target = "";
    const { fetchPhoto, url } = await openServer((_, answer) =>
      answer.writeHead(status, { location: target }).end(),
    );
    for (target of targets) {
      // Against a base some of them mean the server itself; then it goes round until it gives up.
      expect((await failureOf(fetchPhoto(url))).retryable, target).toBe(false);
    }
    expect(hits).toBe(0);
  });

  test("every special address is refused, written out or looked up", async () => {
    for (const address of localAddresses) {
      const literal = address.includes(":") ? `[${address}]` : address;
      const lookup = lookupIn({ "photos.test": [address] });
      const fetchPhoto = createPhotoFetcher({ timeoutMs: 2000, httpsPort: canaryPort, lookup });
      for (const host of [literal, "photos.test"]) {
        const { reason } = await failureOf(fetchPhoto(`https://${host}:${canaryPort}/`));
        expect(reason, `${host} ${address}`).toBe("blocked");
      }
    }
    expect(hits).toBe(0);
  });

  test("a name is looked up once a connection, so its answer can't change in between", async () => {
    let asked = 0;
    const lookup: LookupFunction = (name, options, callback) => {
      asked += 1;
      lookupIn({})(name, options, callback);
    };
    const fetchPhoto = createPhotoFetcher({ httpsPort: canaryPort, lookup });
    await failureOf(fetchPhoto(`https://rebinding.test:${canaryPort}/`));
    expect(asked).toBe(1);
    expect(hits).toBe(0);
  });

  test("a wrong scheme, port or user is refused before the name is even looked up", async () => {
    const asked: string[] = [];
    const lookup: LookupFunction = (name, options, callback) => {
      asked.push(name);
      lookupIn({})(name, options, callback);
    };
    const fetchPhoto = createPhotoFetcher({ lookup });
    for (const url of [
      "http://photos.test/",
      "https://photos.test:444/",
      "https://photos.test:80/",
      "http://photos.test:443/",
      "https://user@photos.test/",
      "https://user:password@photos.test/",
      "https://:password@photos.test/",
      "ftp://photos.test/",
    ]) {
      expect((await failureOf(fetchPhoto(url))).reason, url).toBe("blocked");
    }
    expect(asked).toEqual([]);
    await failureOf(fetchPhoto("https://photos.test/"));
    expect(asked).toEqual(["photos.test"]);
  });

  test("only the named host and port is let through, and then the canary does count", async () => {
    const allowed = { timeoutMs: 2000, allowHosts: [`127.0.0.1:${canaryPort}`] };
    const fetchPhoto = createPhotoFetcher(allowed);
    for (const host of ["127.0.0.1:1", "127.0.0.2", "localhost", "127.0.0.1.nip.io"]) {
      await failureOf(fetchPhoto(`http://${host}:${canaryPort}/`.replace(":1:", ":1")));
    }
    expect(hits).toBe(0);
    expect((await failureOf(fetchPhoto(`http://127.0.0.1:${canaryPort}/`))).reason).toBe("network");
    expect(hits).toBe(1);
  });
});

describe("servers as they are", () => {
  test("a photo is fetched whole, also after three redirects and as plain bytes", async () => {
    const { fetchPhoto, url } = await openServer((request, answer) => {
      const hop = Number(request.url?.split("=")[1] ?? 0);
      if (hop < 3) answer.writeHead(302, { location: `/photo?hop=${hop + 1}` }).end();
      else answer.writeHead(200, { "content-type": "application/octet-stream" }).end(photo);
    });
    expect(await fetchPhoto(url)).toEqual(photo);
  });

  test("a fourth redirect is one too many", async () => {
    let asked = 0;
    const { fetchPhoto, url } = await openServer((_, answer) => {
      asked += 1;
      answer.writeHead(302, { location: "/photo" }).end();
    });
    expect(await failureOf(fetchPhoto(url))).toMatchObject({
      reason: "redirects",
      retryable: false,
    });
    expect(asked).toBe(4);
  });

  test.each([
    [400, false],
    [401, false],
    [403, false],
    [404, false],
    [410, false],
    [204, false],
    [206, false],
    [304, false],
    [408, true],
    [429, true],
    [500, true],
    [502, true],
    [503, true],
  ])("an answer %i is worth another try: %s", async (status, retryable) => {
    const { fetchPhoto, url } = await openServer((_, answer) => answer.writeHead(status).end());
    expect(await failureOf(fetchPhoto(url))).toMatchObject({ reason: "status", retryable });
  });

  test.each(["text/html", "image/svg+xml", "application/json", "application/pdf", "image/gif"])(
    "the type %s is not read, and nothing of the answer is told",
    async (type) => {
      const { fetchPhoto, url } = await openServer((_, answer) =>
        answer.writeHead(200, "canary", { "content-type": type, etag: "canary" }).end("canary"),
      );
      const failure = await failureOf(fetchPhoto(url));
      expect(failure).toMatchObject({ reason: "type", retryable: false });
      expect(failure.message).not.toContain("canary");
    },
  );

  test("a compressed body is not unpacked", async () => {
    const { fetchPhoto, url } = await openServer((request, answer) => {
      expect(request.headers["accept-encoding"]).toBe("identity");
      answer.writeHead(200, { "content-encoding": "gzip", "content-type": "image/png" }).end("x");
    });
    expect((await failureOf(fetchPhoto(url))).reason).toBe("type");
  });

  test("a body over the limit is cut off, announced or not", async () => {
    let sent = 0;
    const { fetchPhoto, url } = await openServer((request, answer) => {
      if (request.url === "/announced") {
        answer.writeHead(200, { "content-length": "1001" }).flushHeaders();
        return;
      }
      const timer = setInterval(() => {
        sent += 400;
        answer.write(Buffer.alloc(400));
      }, 1);
      answer.on("close", () => clearInterval(timer));
    });
    expect((await failureOf(fetchPhoto(url.replace("photo", "announced")))).reason).toBe(
      "too_large",
    );
    expect((await failureOf(fetchPhoto(url))).reason).toBe("too_large");
    expect(sent).toBeLessThan(100_000);
  });

  test("a server that is silent or never ends is left when the time is up", async () => {
    const { fetchPhoto, url } = await openServer((request, answer) => {
      if (request.url === "/silent") return;
      answer.writeHead(200).write("x");
      const timer = setInterval(() => answer.write("x"), 20);
      answer.on("close", () => clearInterval(timer));
    });
    for (const address of [url.replace("photo", "silent"), url]) {
      expect(await failureOf(fetchPhoto(address))).toMatchObject({
        reason: "timeout",
        retryable: true,
      });
    }
  });

  test("a connection that breaks is worth another try", async () => {
    const { fetchPhoto, url, server } = await openServer((request, answer) => {
      if (request.url === "/half") answer.writeHead(200, { "content-length": "900" }).write("half");
      setImmediate(() => request.socket.destroy());
    });
    for (const address of [url, url.replace("photo", "half")]) {
      expect(await failureOf(fetchPhoto(address))).toMatchObject({
        reason: "network",
        retryable: true,
      });
    }
    await new Promise((closed) => server.close(closed));
    expect(await failureOf(fetchPhoto(url))).toMatchObject({ reason: "network", retryable: true });
  });

  test("a server that switches protocols is not waited for", async () => {
    const { fetchPhoto, url } = await openServer((request) => {
      request.socket.write("HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
    });
    expect(await failureOf(fetchPhoto(url))).toMatchObject({ reason: "network" });
  });

  test("the caller's own stop is passed on as it is", async () => {
    const { fetchPhoto, url } = await openServer(() => {});
    const stop = new AbortController();
    const fetched = fetchPhoto(url, { signal: stop.signal });
    stop.abort(new Error("canceled"));
    await expect(fetched).rejects.toThrow("canceled");
  });
});
