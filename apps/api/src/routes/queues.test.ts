import { randomUUID } from "node:crypto";
import { QueueTicket } from "@ducat/types/queues";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeQueues } from "../../../../infra/test/describe-queues.ts";
import { type Call, type Stage, setStage } from "../../test/stage.ts";
import { makeSession } from "../../test/tenant.ts";
import { createQueueCookies } from "../queue-cookies.ts";

const path = "/v1/admin/queues";
const origin = "http://ducat.test";

type Browser = (at: string, how?: Call) => ReturnType<Stage["call"]>;

/** Asks for a way in, and comes in. */
async function comeIn(stage: Stage, bearer?: string): Promise<{ cookie: string; browse: Browser }> {
  const asked = await stage.call(`${path}/session`, {
    ...{ method: "POST", ...(bearer && { bearer }) },
  });
  expect([asked.status, asked.text]).toEqual([201, expect.anything()]);
  const { url } = QueueTicket.parse(asked.body);
  const entered = await stage.call(url.replace(origin, ""), { bearer: null });
  expect(entered.status).toBe(200);
  const [cookie = ""] = (entered.headers.get("set-cookie") ?? "").split(";");
  return { cookie, browse: browseWith(stage, cookie) };
}

const browseWith =
  (stage: Stage, cookie: string): Browser =>
  (at, how = {}) =>
    stage.call(`${path}${at}`, { bearer: null, ...how, headers: { cookie, ...how.headers } });

describeQueues("the dashboard", (kind) => {
  it("shows both queues, and does what it is asked with an audit line", async () => {
    const stage = await setStage({ queue: kind });
    const { browse } = await comeIn(stage);
    const eventId = randomUUID();
    await stage.queue.add("process-webhook", [{ id: eventId, data: { eventId }, delayMs: 60_000 }]);
    const { body } = await browse("/api/queues?activeQueue=process-webhook&status=delayed");
    const names = body.queues.map(({ name }: { name: string }) => name);
    expect(names).toEqual(["run-item", "process-webhook"]);
    const [, queue] = body.queues;
    expect(queue.jobs.map(({ data }: { data: object }) => data)).toEqual([{ eventId }]);
    const act = `/api/queues/process-webhook/${eventId}/promote`;
    const done = await browse(act, { method: "PUT", headers: { origin } });
    expect(done.status).toBe(204);
    expect(await stage.queue.bull("process-webhook").getWaitingCount()).toBe(1);
    const lines = await stage.db.admin`
      SELECT actor, action, resource_id FROM ducat.audit_logs WHERE resource = 'queues'
      ORDER BY id`;
    expect(lines).toEqual([
      { actor: "root", action: "queues.enter", resource_id: null },
      { actor: "root", action: "queues.act", resource_id: `PUT ${act}` },
    ]);
    await stage.close();
  });
});

describe("a browser's way to the queues", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
    await stage.deps.cache.ready();
  });
  afterAll(() => stage.close());

  it("is a ticket that works once, for a minute, and not for what only looks at it", async () => {
    const ask = async () => {
      const { body } = await stage.call(`${path}/session`, { method: "POST" });
      return String(body.url).replace(origin, "");
    };
    const enter = (url: string, method = "GET") => stage.call(url, { bearer: null, method });
    const url = await ask();
    expect((await enter(url, "HEAD")).status).toBe(200);
    const both = await Promise.all([enter(url), enter(url), enter(url)]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
    const late = await ask();
    await stage.db.admin`
      UPDATE ducat.queue_tickets SET expires_at = clock_timestamp() - interval '1 second'`;
    expect((await enter(late)).status).toBe(401);
    for (const wrong of ["", "?ticket=", "?ticket=x"]) {
      expect((await enter(`${path}/enter${wrong}`)).status).toBe(401);
    }
  });

  it("sets a cookie that no script reads, no other site sends and no other path gets", async () => {
    const { body } = await stage.call(`${path}/session`, { method: "POST" });
    const entered = await stage.call(String(body.url).replace(origin, ""), { bearer: null });
    const flags = (entered.headers.get("set-cookie") ?? "").split("; ").slice(1);
    expect(flags).toEqual([`Path=${path}`, "Max-Age=900", "HttpOnly", "SameSite=Strict"]);
    expect(entered.text).toContain(`url=${path}/`);
    const options = { secrets: ["s".repeat(32)], mode: "live" as const, now: Date.now };
    const secure = createQueueCookies({ ...options, publicUrl: "https://ducat.test" });
    expect(secure.make({ actor: "root", sessionId: null })).toMatch(/; Secure$/);
  });

  it("shows a page of its own, with nothing from another host", async () => {
    const { browse } = await comeIn(stage);
    for (const at of ["", "/", "/queue/run-item", "/queue/run-item/7"]) {
      const page = await browse(at);
      expect(page.status).toBe(200);
      expect(page.text).toContain(`<base href="${path}/"`);
      expect(page.text).not.toMatch(/https?:\/\//);
      expect(page.text).not.toContain("<%");
      const csp = page.headers.get("content-security-policy") ?? "";
      expect(csp).toContain("default-src 'none'");
      expect(csp).not.toContain("http");
      for (const [, name] of page.text.matchAll(/(?:src|href)="(static\/[^"]+)"/g)) {
        const file = await browse(`/${name}`);
        expect([name, file.status]).toEqual([name, 200]);
      }
    }
    for (const name of ["..%2findex.ejs", "../index.ejs", "%2e%2e/index.ejs", "js", "nothing.js"]) {
      expect((await browse(`/static/${name}`)).status).toBe(404);
    }
  });

  it("is closed to whoever has no cookie, or one that is old, forged or of another place", async () => {
    const cookies = (secret: string, mode: "test" | "live", at = 0) =>
      createQueueCookies({
        ...{ secrets: [secret.repeat(32)], mode, publicUrl: origin },
        now: () => Date.now() + at,
      })
        .make({ actor: "root", sessionId: null })
        .split(";")[0] ?? "";
    const good = cookies("s", "test");
    expect((await browseWith(stage, good)("/api/queues")).status).toBe(200);
    const [head = "", mac] = good.split(".");
    const claims = { actor: "root", session: null, expires: 9_999_999_999 };
    const forged = Buffer.from(JSON.stringify(claims)).toString("base64url");
    const wrong = [
      "",
      "ducat_queues=x",
      cookies("t", "test"),
      cookies("s", "live"),
      cookies("s", "test", -901_000),
      `${head}x.${mac}`,
      `ducat_queues=${forged}.${mac}`,
    ];
    for (const cookie of wrong) {
      for (const at of ["", "/api/queues", "/static/favicon.ico"]) {
        expect([cookie, (await browseWith(stage, cookie)(at)).status]).toEqual([cookie, 401]);
      }
    }
    // A key is no way in, and a cookie opens nothing else.
    expect((await stage.call(`${path}/api/queues`)).status).toBe(401);
    const elsewhere = { bearer: null, headers: { cookie: good } };
    expect((await stage.call("/v1/admin/accounts", elsewhere)).status).toBe(401);
    expect((await stage.call(`${path}/session`, { method: "POST", ...elsewhere })).status).toBe(
      401,
    );
  });

  it("changes nothing for a page of another origin, or one that doesn't say", async () => {
    const { browse } = await comeIn(stage);
    const act = "/api/queues/run-item/pause";
    for (const headers of [{}, { origin: "https://evil.example" }, { origin: "null" }]) {
      expect((await browse(act, { method: "PUT", headers })).status).toBe(403);
    }
    expect(await stage.queue.bull("run-item").isPaused()).toBe(false);
    expect((await browse(act, { method: "PUT", headers: { origin } })).status).toBe(200);
    expect(await stage.queue.bull("run-item").isPaused()).toBe(true);
    const resume = "/api/queues/run-item/resume";
    expect((await browse(resume, { method: "PUT", headers: { origin } })).status).toBe(200);
  });

  it("writes no job's data: those are ids of ours", async () => {
    const { browse } = await comeIn(stage);
    const headers = { origin };
    const body = { name: "x", data: { prompt: "x" }, options: {} };
    const add = await browse("/api/queues/run-item/add", { body, headers });
    expect(add.status).toBe(405);
    const change = await browse("/api/queues/run-item/7/update-data", {
      ...{ method: "PATCH", body: { jobData: {} }, headers },
    });
    expect(change.status).toBe(404);
  });

  it("ends with the office, the session and the key that it was asked with", async () => {
    const made = await stage.call("/v1/api-keys", { body: { name: "x", scopes: ["admin"] } });
    const key = await comeIn(stage, made.body.key);
    expect((await key.browse("/api/queues")).status).toBe(200);
    await stage.call(`/v1/api-keys/${made.body.id}`, { method: "DELETE" });
    expect((await key.browse("/api/queues")).status).toBe(403);

    const account = await stage.makeAccount();
    const { loginId, access } = await makeSession(stage, account);
    const setRole = (role: string) =>
      stage.call(`/v1/admin/logins/${loginId}/role`, { body: { role } });
    const ask = () => stage.call(`${path}/session`, { method: "POST", bearer: access });
    expect((await ask()).status).toBe(403);
    await setRole("support");
    expect((await ask()).status).toBe(403);
    await setRole("admin");
    const person = await comeIn(stage, access);
    expect((await person.browse("/api/queues")).status).toBe(200);
    await setRole("support");
    expect((await person.browse("/api/queues")).status).toBe(403);
    await setRole("admin");
    expect((await person.browse("/api/queues")).status).toBe(200);
    await stage.call("/v1/auth/logout", { method: "POST", bearer: access });
    expect((await person.browse("/api/queues")).status).toBe(403);
  });
});
