import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { rootKey, type Stage, setStage } from "../../test/stage.ts";
import { startServer } from "../server.ts";

const metricsToken = "m".repeat(32);
let stage: Stage;
let port: number;
beforeAll(async () => {
  stage = await setStage({ deps: { metricsToken } });
  const server = await startServer(stage.app, { host: "127.0.0.1", port: 0 });
  port = server.port;
  return () => server.close(0);
});
afterAll(() => stage.close());

/** What comes over a connection of its own, until it has the text or ends. */
function ask(line: string, account: string, until: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  const about = `Authorization: Bearer ${rootKey}\r\nDucat-Account: ${account}`;
  socket.write(`${line}\r\nHost: x\r\n${about}\r\n\r\n`);
  return new Promise((resolve, reject) => {
    let text = "";
    socket.setEncoding("utf8").on("data", (data) => {
      text += data;
      if (text.includes(until)) resolve(text);
    });
    socket.on("error", reject).on("close", () => resolve(text));
  });
}

it("HEAD says what GET would, and opens nothing", async () => {
  const account = await stage.makeAccount(1);
  const path = "/v1/events/stream";
  const is = await ask(`HEAD ${path} HTTP/1.1`, account, "\r\n\r\n");
  expect(is).toMatch(/^HTTP\/1\.1 200 .*content-type: text\/event-stream/s);
  const bad = await ask(`HEAD ${path}?after=x HTTP/1.1`, account, "\r\n\r\n");
  expect(bad).toMatch(/^HTTP\/1\.1 422 /);
  const none = await ask(
    `HEAD /v1/generations/${randomUUID()}/events HTTP/1.1`,
    account,
    "\r\n\r\n",
  );
  expect(none).toMatch(/^HTTP\/1\.1 404 /);
  const { text } = await stage.call("/metrics", { bearer: metricsToken });
  expect(text).toContain("ducat_stream_lag_seconds_count 0");
  expect(text).not.toMatch(/ducat_streams{kind="\w+"} [1-9]/);
});

it("is in parts where the client knows them, and plain where it doesn't", async () => {
  const account = await stage.makeAccount(1);
  const head = "GET /v1/events/stream HTTP/1";
  const now = await ask(`${head}.1`, account, "\n\n\r\n");
  expect(now).toMatch(/transfer-encoding: chunked\r\n.*\r\n\r\n[\da-f]+\r\nretry: 2000\n\n/s);
  const old = await ask(`${head}.0`, account, "data: ");
  expect(old).not.toMatch(/transfer-encoding/i);
  expect(old).toMatch(/\r\n\r\nretry: 2000\n\nevent: balance\n/);
});
