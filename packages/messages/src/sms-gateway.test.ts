import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { Outgoing } from "./sender.ts";
import { createSmsGateway } from "./sms-gateway.ts";

type Request = { method: string | undefined; headers: IncomingMessage["headers"]; body: unknown };
let requests: Request[];
let answer: (response: ServerResponse) => unknown;
const server = createServer(async (request, response) => {
  const { method, headers } = request;
  requests.push({ method, headers, body: await json(request) });
  await answer(response);
});
let url: string;
beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/send`;
});
beforeEach(() => {
  requests = [];
  answer = (response) => response.end("{}");
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const message: Outgoing = {
  id: randomUUID(),
  kind: "receipt",
  to: "+989120000000",
  subject: "",
  html: "",
  text: "",
  sms: "پرداخت شد",
};
const gateway = (more = {}) => createSmsGateway({ url, token: "t0ken", sender: "3000", ...more });
const status = (code: number, headers = {}) => {
  answer = (response) => response.writeHead(code, headers).end("+989120000000 is unknown");
};

it("posts the message with its id and the token", async () => {
  await gateway().send(message);
  const { id, to, sms: text } = message;
  expect(requests).toMatchObject([
    {
      method: "POST",
      headers: { authorization: "Bearer t0ken", "idempotency-key": id },
      body: { id, to, text, sender: "3000" },
    },
  ]);
  await gateway({ token: undefined, sender: undefined }).send(message);
  expect(requests[1]?.body).toEqual({ id, to, text });
  expect(requests[1]?.headers.authorization).toBeUndefined();
});

it("gives up what is the message's fault, and tries again what is not", async () => {
  for (const code of [400, 410, 413, 422]) {
    status(code);
    const refused = { isFinal: true, message: `SMS gateway: status ${code}` };
    await expect(gateway().send(message)).rejects.toMatchObject(refused);
  }
  for (const code of [401, 403, 404, 408, 429, 500, 502, 503]) {
    status(code);
    await expect(gateway().send(message), `${code}`).rejects.toMatchObject({ isFinal: false });
  }
});

it("follows no redirect, so that the token stays where it belongs", async () => {
  status(307, { location: url });
  const refused = { isFinal: false, message: "SMS gateway: status 307" };
  await expect(gateway().send(message)).rejects.toMatchObject(refused);
  expect(requests).toHaveLength(1);
});

it("waits for no answer longer than it may, and for no body at all", async () => {
  answer = () => {};
  const late = { isFinal: false, message: "SMS gateway: took too long" };
  await expect(gateway({ sendMs: 50 }).send(message)).rejects.toMatchObject(late);
  answer = (response) => {
    const more = setInterval(() => response.write("x".repeat(65_536)), 1);
    response.on("close", () => clearInterval(more));
  };
  await gateway().send(message);
});

it("says what failed without a word of the gateway, the token or the recipient", async () => {
  const away = gateway({ url: "http://127.0.0.1:1/t0ken" });
  const refused = { isFinal: false, message: "SMS gateway: could not be reached" };
  await expect(away.send(message)).rejects.toMatchObject(refused);
});
