import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { Webhook } from "standardwebhooks";
import { describe, expect, it, onTestFinished } from "vitest";
import { makePhoto } from "../../../apps/api/test/pictures.ts";
import { requirePart } from "../../../infra/dev/parts.ts";
import type { Given } from "../test/page.ts";
import { type Stage, setStage } from "../test/stage.ts";

const chromium = requirePart("chromium", "the client in a browser");

/** The page's script, for a browser. */
async function bundlePage(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [resolve(import.meta.dirname, "../test/page.ts")],
    bundle: true,
    format: "esm",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

/** A product's own server: its page, a token for it, and what the page tells. */
async function startShop() {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const script = await bundlePage();
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const serve = (given: Given, makeToken: () => Promise<string>) =>
    new Promise<Record<string, unknown>>((tell) => {
      const page = "<!doctype html><script type=module src=/script.js></script>";
      const answers: Record<string, (response: ServerResponse) => unknown> = {
        "/": (response) => response.setHeader("content-type", "text/html").end(page),
        "/script.js": (response) =>
          response.setHeader("content-type", "text/javascript").end(script),
        "/given": (response) => response.end(JSON.stringify(given)),
        "/token": async (response) => response.end(await makeToken()),
      };
      server.on("request", async (request, response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk);
        if (request.url === "/told") tell(JSON.parse(Buffer.concat(chunks).toString()));
        const answer = answers[request.url ?? ""];
        if (answer) await answer(response);
        else response.writeHead(request.url === "/told" ? 204 : 404).end();
      });
    });
  return { origin, serve };
}

/** Opens the page in a browser with a profile of its own. */
async function openPage(path: string, url: string): Promise<ChildProcess> {
  const profile = await mkdtemp(join(tmpdir(), "ducat-browser-"));
  const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
  const browser = spawn(path, [...args, `--user-data-dir=${profile}`, url], { stdio: "ignore" });
  onTestFinished(async () => {
    const ended = once(browser, "exit");
    browser.kill();
    await ended;
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  return browser;
}

function makeWebhook(): Given["webhook"] {
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  const body = JSON.stringify({ type: "webhook.test", data: { endpoint_id: "e" } });
  const now = new Date();
  const headers = {
    "webhook-id": "e-1",
    "webhook-timestamp": String(Math.floor(now.getTime() / 1_000)),
    "webhook-signature": new Webhook(secret).sign("e-1", now, body),
  };
  return { body, headers, secret };
}

describe.skipIf(!chromium)("the client in a browser (needs chromium)", () => {
  it("uploads, generates, streams and verifies, with a token of its account", async () => {
    const shop = await startShop();
    const stage: Stage = await setStage({ hasWorker: true, allowedOrigins: [shop.origin] });
    onTestFinished(() => stage.close());
    const ducat = await stage.createClient();
    const given = {
      baseUrl: stage.baseUrl,
      photo: (await makePhoto(64, 48)).toString("base64"),
      webhook: makeWebhook(),
    };
    const told = shop.serve(given, async () => {
      return (await ducat.accounts.createToken(ducat.account)).token;
    });
    await openPage(chromium ?? "", shop.origin);
    const { id, types, ...rest } = await told;
    expect(rest).toEqual({
      listed: [id],
      heard: ["balance"],
      viaTicket: "generation.completed",
      refusal: ["forbidden", true],
      event: { type: "webhook.test", data: { endpoint_id: "e" } },
      tampered: "signature_invalid",
    });
    expect(types).toEqual(expect.arrayContaining(["item.completed", "generation.completed"]));
  });
});
