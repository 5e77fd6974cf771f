import { randomUUID } from "node:crypto";
import { errors } from "@ducat/types/errors";
import { Problem } from "@ducat/types/problem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { order, type Stage, setStage } from "../test/stage.ts";

describe("every answer", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.close());

  it("has a request id: the caller's when it is sane, else a new one", async () => {
    const own = await stage.call("/livez", { headers: { "x-request-id": "abc-1:2.3" } });
    expect(own.headers.get("x-request-id")).toBe("abc-1:2.3");
    for (const bad of ["a b", "x".repeat(129), "<script>"]) {
      const made = await stage.call("/nowhere", { headers: { "x-request-id": bad } });
      const id = made.headers.get("x-request-id");
      expect(id).toMatch(/^[0-9a-f-]{36}$/);
      expect(made.body.request_id).toBe(id);
      expect(stage.lines.join("")).toContain(`"req_id":"${id}"`);
    }
  });

  it("tells browsers to do nothing with it", async () => {
    for (const path of ["/", "/v1/styles", "/nowhere", "/openapi.json"]) {
      const { headers } = await stage.call(path);
      expect(Object.fromEntries(headers)).toMatchObject({
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
      });
      expect(headers.get("access-control-allow-origin")).toBeNull();
      expect(headers.get("x-powered-by")).toBeNull();
      expect(headers.get("strict-transport-security")).toBeNull();
    }
  });

  it.each(["/nowhere", "/v1", "/v1/nothing", "/v1/generations/", "/v2/generations", "//", "/%00"])(
    "is 404 for the unknown path %s, with and without a key",
    async (path) => {
      for (const bearer of [null, undefined]) {
        const missing = await stage.call(path, bearer === null ? { bearer } : {});
        expect([missing.status, Problem.parse(missing.body).code]).toEqual([404, "not_found"]);
        expect(missing.headers.get("content-type")).toBe("application/problem+json");
      }
    },
  );

  it.each([
    ["PUT", "/v1/generations", "GET, HEAD, POST"],
    ["PATCH", `/v1/generations/${randomUUID()}`, "GET, HEAD, DELETE"],
    ["GET", "/v1/accounts", "POST"],
    ["DELETE", "/v1/credits/balance", "GET, HEAD"],
    ["POST", "/livez", "GET, HEAD"],
    ["OPTIONS", "/v1/styles", "GET, HEAD"],
    ["PROPFIND", "/v1/uploads", "POST"],
    ["POST", "/v1/files/a/b.webp", "GET, HEAD"],
  ])("is 405 for %s %s", async (method, path, allowed) => {
    const refused = await stage.call(path, { method, bearer: null });
    expect([refused.status, refused.body.code]).toEqual([405, "method_not_allowed"]);
    expect(refused.headers.get("allow")).toBe(allowed);
  });

  it("has no body for HEAD", async () => {
    const account = await stage.makeAccount();
    const head = await stage.call("/v1/credits/balance", { account, method: "HEAD" });
    expect([head.status, head.text]).toEqual([200, ""]);
  });

  it.each([
    ["text/plain", undefined],
    ["application/x-www-form-urlencoded", undefined],
    ["application/json; charset=utf-16", undefined],
    ["application/problem+json", undefined],
    [undefined, undefined],
    ["application/json", "gzip"],
  ])("is 415 for a body of type %s, encoded %s", async (type, encoding) => {
    const headers: Record<string, string> = {};
    if (type) headers["content-type"] = type;
    if (encoding) headers["content-encoding"] = encoding;
    const raw = new Blob([JSON.stringify({ external_id: "x" })]);
    const refused = await stage.call("/v1/accounts", { raw, headers });
    expect([refused.status, refused.body.code]).toEqual([415, "unsupported_media_type"]);
  });

  it("is 400 for a body that is not UTF-8 or not JSON, and says which", async () => {
    const headers = { "content-type": "application/json" };
    const latin = await stage.call("/v1/accounts", {
      raw: Buffer.from('{"external_id":"\xe9"}', "latin1"),
      headers,
    });
    expect([latin.status, latin.body.detail]).toEqual([400, "It is not UTF-8."]);
    const twice = await stage.call("/v1/accounts", {
      raw: '{"external_id":"a","external_id":"b"}',
      headers,
    });
    expect([twice.status, twice.body.detail]).toEqual([400, "An object has a name twice."]);
  });

  it("is 413 for JSON over 256 KiB", async () => {
    const body = { external_id: "x".repeat(300_000) };
    const refused = await stage.call("/v1/accounts", { body });
    expect([refused.status, refused.body.code]).toEqual([413, "payload_too_large"]);
  });

  it("says nothing about a fault of ours, and the log says it all but the data", async () => {
    const { blobs } = stage.deps;
    const secret = "canary-of-an-error";
    const broken = await setStage({
      deps: {
        urlSigner: {
          ...stage.deps.urlSigner,
          verify: () => {
            throw Object.assign(new Error("boom"), { code: "E_BOOM", detail: secret });
          },
        },
        blobs,
      },
    });
    const failed = await broken.call("/v1/files/x", { bearer: null });
    expect(failed.status).toBe(500);
    expect(failed.body).toEqual({
      type: "urn:ducat:problem:internal",
      title: errors.internal.title,
      status: 500,
      code: "internal",
      request_id: failed.headers.get("x-request-id"),
    });
    const log = broken.lines.join("");
    expect(log).toContain('"message":"boom"');
    expect(log).toContain('"code":"E_BOOM"');
    expect(log).not.toContain(secret);
    await broken.close();
  });
});

describe("browsers", () => {
  it("may call from the origins that are allowed, and from no others", async () => {
    const stage = await setStage({ deps: { allowedOrigins: ["https://app.example.com"] } });
    const preflight = (origin: string) =>
      stage.call("/v1/generations", {
        method: "OPTIONS",
        bearer: null,
        headers: { origin, "access-control-request-method": "POST" },
      });
    const allowed = await preflight("https://app.example.com");
    expect(allowed.status).toBe(204);
    const { headers } = allowed;
    expect(headers.get("access-control-allow-origin")).toBe("https://app.example.com");
    expect(headers.get("access-control-allow-headers")).toContain("Idempotency-Key");
    expect(headers.get("access-control-allow-credentials")).toBeNull();
    for (const origin of ["https://app.example.com.evil.org", "null", "http://app.example.com"]) {
      const other = await preflight(origin);
      expect(other.headers.get("access-control-allow-origin")).toBeNull();
    }
    await stage.close();
  });
});

describe("/metrics", () => {
  it("is for this machine alone, or for whoever has the token", async () => {
    const token = "a-token-of-the-scraper";
    const [closed, open] = await Promise.all([
      setStage(),
      setStage({ deps: { metricsToken: token } }),
    ]);
    expect((await closed.call("/metrics")).status).toBe(403);
    expect((await open.call("/metrics")).status).toBe(401);
    expect((await open.call("/metrics", { bearer: null })).status).toBe(401);
    await open.call("/v1/generations/x", { account: "nobody" });
    const metrics = await open.call("/metrics", { bearer: token });
    expect(metrics.headers.get("content-type")).toMatch(/^text\/plain/);
    expect(metrics.text).toContain('route="/v1/generations/:id",status="404"');
    await closed.close();
    await open.close();
  });

  it("has as many labels as there are routes, whatever paths are tried", async () => {
    const token = "a-token-of-the-scraper";
    const stage = await setStage({ deps: { metricsToken: token } });
    for (let n = 0; n < 20; n++) {
      await stage.call(`/v1/${randomUUID()}`, { method: `M${n}` });
      await stage.call(`/v1/generations/${randomUUID()}`, { account: "x" });
    }
    const account = await stage.makeAccount();
    await stage.call("/v1/generations", { account, key: "k", body: order() });
    const { text } = await stage.call("/metrics", { bearer: token });
    const series = text.match(/^http_request_duration_seconds_count\{.*$/gm) ?? [];
    expect(series.length).toBeLessThan(8);
    await stage.close();
  });
});
