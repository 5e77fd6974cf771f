import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bodyOf, isOpen, openingOf, thingsOf } from "../test/matrix-entries.ts";
import { listOperations, type Operation } from "../test/operations.ts";
import { type Answer, type Call, rootKey, type Stage, setStage } from "../test/stage.ts";
import { makeSession, makeTenant, type Tenant } from "../test/tenant.ts";
import { createApp } from "./app.ts";

const site = "https://app.example.com";
/** What looks like the site to a careless comparison. */
const hostile = [
  "null",
  "https://app.example.com.evil.example",
  "https://evil-app.example.com",
  "https://evil.example/https://app.example.com",
  "https://sub.app.example.com",
  "https://example.com",
  "http://app.example.com",
  "https://app.example.com:8443",
  "https://app.example.com/",
  "https://app.example.com@evil.example",
  "https://app.example.com, https://evil.example",
  "https://APP.example.com",
  "*",
];
/** They differ from answer to answer, or say what the body is. */
const passing = ["content-type", "content-length", "x-request-id", "location"];

let stage: Stage;
let owner: Tenant;
let session: string;
let operations: Operation[];
beforeAll(async () => {
  stage = await setStage({ deps: { allowedOrigins: [site], publicUrl: "https://ducat.test" } });
  owner = await makeTenant(stage, "vendor", "headers");
  session = (await makeSession(stage, await stage.makeAccount())).access;
  operations = await listOperations(stage);
});
afterAll(() => stage.close());

/** A whole request: from whoever may do it, unless it says otherwise. */
function ask(operation: Operation, how: Call = {}): Promise<Answer> {
  const { method, path, readsAccount, readsKey } = operation;
  const opening = isOpen(operation) ? openingOf(operation) : undefined;
  const body = bodyOf(operation);
  return stage.call(pathOf(operation), {
    ...{ method, bearer: path.startsWith("/v1/auth") ? session : rootKey },
    ...(readsAccount && { account: owner.accountId }),
    ...(readsKey && { key: randomUUID() }),
    ...(body && { body }),
    ...(opening?.form && { raw: new URLSearchParams(opening.form) }),
    ...how,
  });
}

/** Reading, it leads to something of the owner's; writing, to nothing. */
function pathOf(operation: Operation): string {
  if (operation.name === "GET /v1/files/{key}") return owner.signedFile;
  if (isOpen(operation)) return openingOf(operation).path(owner);
  const [kind] = operation.pathNames.length > 0 ? thingsOf(operation) : [];
  const id = kind && isReading(operation) ? owner.ids[kind] : randomUUID();
  return operation.path.replace(/\{\w+\}/g, id);
}

const isReading = ({ method }: Operation) => method === "GET";
/** What would end the session or account of whoever asks for it here. */
const isEnding = ({ name }: Operation) => /DELETE \/v1\/(me|auth\/sessions)$|logout/.test(name);

function show({ headers }: Answer): string {
  const lines = [...headers].filter(([name]) => !passing.includes(name));
  const text = lines.map(([name, value]) => `  ${name}: ${value}\n`).join("");
  // Of a signed file: as long as its signature lives.
  return text.replace(/private, max-age=\d+/, "private, max-age=…");
}

/** Streams have no end. */
const read = (response: Response) =>
  response.headers.get("content-type") === "text/event-stream"
    ? response.body?.cancel()
    : response.arrayBuffer();

describe("the headers of every route", () => {
  it("are these, for the site that is allowed", async () => {
    const groups = new Map<string, string[]>();
    const note = (name: string, answer: Answer) => {
      const headers = show(answer);
      groups.set(headers, [...(groups.get(headers) ?? []), name]);
    };
    for (const operation of operations.filter((one) => !isEnding(one))) {
      const headers = { origin: site };
      note(`${operation.name}, to nobody`, await ask(operation, { headers, bearer: null }));
      note(operation.name, await ask(operation, { headers }));
    }
    const paths = new Set(operations.map(({ path }) => path));
    for (const path of paths) note(`OPTIONS ${path}`, await preflight(path, site));
    const text = [...groups].map(([headers, names]) => `${names.join("\n")}\n${headers}`);
    await expect(text.join("\n")).toMatchFileSnapshot("http-headers.snapshot.txt");
  });

  it("are the route's own, whether sites are allowed or not", async () => {
    const app = createApp({ ...stage.deps, allowedOrigins: [] });
    const ofSites = /^(vary|access-control-.*|x-request-id)$/;
    const list = (headers: Headers) => [...headers].filter(([name]) => !ofSites.test(name));
    const readable = operations.filter(isReading);
    expect(readable.length).toBeGreaterThan(20);
    for (const operation of readable) {
      const headers = { authorization: `Bearer ${rootKey}`, "ducat-account": owner.accountId };
      const path = pathOf(operation);
      const here = await stage.app.request(path, { headers });
      // Read before the next is asked for: an account has one file at a time.
      await read(here);
      const there = await app.request(path, { headers });
      await read(there);
      expect([operation.name, list(here.headers)]).toEqual([operation.name, list(there.headers)]);
    }
  });

  it("allow no other site anything, however it is called", async () => {
    const allowing = (answer: Answer) =>
      [...answer.headers.keys()].filter(
        (name) => name === "access-control-allow-origin" || name.endsWith("-allow-credentials"),
      );
    const faults: string[] = [];
    for (const origin of hostile) {
      for (const operation of operations.filter(isReading)) {
        const answer = await ask(operation, { headers: { origin } });
        if (allowing(answer).length > 0) faults.push(`${operation.name} from ${origin}`);
      }
      for (const { path } of operations) {
        const answer = await preflight(path, origin);
        if (allowing(answer).length > 0) faults.push(`OPTIONS ${path} from ${origin}`);
      }
    }
    expect(faults).toEqual([]);
  });
});

const preflight = (path: string, origin: string) =>
  stage.call(path.replace(/\{\w+\}/g, "x"), {
    ...{ method: "OPTIONS", bearer: null },
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,x-evil",
    },
  });

describe("cookies", () => {
  const names = ["session", "token", "access_token", "authorization", "better-auth.session_token"];
  const withoutIds = ({ status, text }: Answer) =>
    `${status} ${text.replace(/"(request_id|uptime_s)":("[^"]*"|\d+)/g, "")}`;

  it("are set by no route", async () => {
    for (const operation of operations.filter((one) => !isEnding(one))) {
      const { headers } = await ask(operation);
      expect([operation.name, headers.getSetCookie()]).toEqual([operation.name, []]);
    }
  });

  it("let nobody in: a request with every credential in a cookie is nobody's", async () => {
    for (const operation of operations.filter((one) => !isOpen(one))) {
      for (const credential of [rootKey, session]) {
        const cookie = names.map((name) => `${name}=${credential}; __Host-${name}=${credential}`);
        const answer = await ask(operation, {
          bearer: null,
          headers: { cookie: cookie.join("; ") },
        });
        const plain = await ask(operation, { bearer: null });
        expect([operation.name, answer.status]).toEqual([operation.name, 401]);
        expect(withoutIds(answer)).toBe(withoutIds(plain));
      }
    }
  });
});

describe("another site's form", () => {
  it("is no request of ours: no route that reads JSON takes what a form can send", async () => {
    const types = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"];
    for (const operation of operations.filter((one) => bodyOf(one) !== undefined)) {
      const raw = JSON.stringify(bodyOf(operation));
      for (const type of types) {
        const { status } = await ask(operation, { raw, headers: { "content-type": type } });
        expect([operation.name, type, status]).toEqual([operation.name, type, 415]);
      }
    }
  });
});
