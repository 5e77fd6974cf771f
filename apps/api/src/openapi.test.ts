import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Problem } from "@ducat/types/problem";
import { METHOD_NAME_ALL } from "hono/router";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stage, setStage } from "../test/stage.ts";

type Operation = {
  operationId?: string;
  summary?: string;
  tags?: string[];
  security?: object[];
  parameters?: { $ref?: string }[];
  requestBody?: { content: Record<string, { schema: object }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
};
type Document = {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: Record<string, Record<string, object>>;
};

type Visited = {
  type?: string | string[];
  oneOf?: object[];
  discriminator?: { mapping?: object };
  properties?: Record<string, object>;
  pattern?: string;
  maximum?: number;
  format?: string;
};

/** Every object of the description that may be a schema, but for examples. */
function visitSchemas(part: object, at: string, see: (schema: Visited, at: string) => void): void {
  // A member of a schema may be called like a word of schemas: then it is an object.
  const { pattern, oneOf } = part as { pattern?: unknown; oneOf?: unknown };
  if (typeof pattern !== "object" && (oneOf === undefined || Array.isArray(oneOf))) see(part, at);
  for (const [name, value] of Object.entries(part)) {
    if (/^(?:examples?|default|enum)$/.test(name)) continue;
    if (typeof value === "object" && value !== null) visitSchemas(value, `${at}/${name}`, see);
  }
}

describe("/openapi.json", () => {
  let stage: Stage;
  let document: Document;
  beforeAll(async () => {
    stage = await setStage();
    document = (await stage.call("/openapi.json", { bearer: null })).body;
  });
  afterAll(() => stage.close());
  const listOperations = () =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    );

  it("describes every route and nothing else", () => {
    // What the queues' dashboard asks of us is its own affair, but for the way in.
    const ofDashboard = /^\/v1\/admin\/queues(?!\/(?:session|enter)$)/;
    const routes = stage.app.routes
      .filter(({ method, path }) => method !== METHOD_NAME_ALL && !ofDashboard.test(path))
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)(?:\{[^}]+\})?/g, "{$1}")}`);
    const described = listOperations().map(({ path, method }) => `${method.toUpperCase()} ${path}`);
    expect(described.sort()).toEqual([...new Set(routes)].sort());
    expect(described.length).toBeGreaterThan(25);
  });

  it("is OpenAPI 3.1 with a key, and every reference leads somewhere", () => {
    expect(document.openapi).toBe("3.1.0");
    expect(document.components.securitySchemes).toEqual({
      key: { type: "http", scheme: "bearer" },
    });
    const references = JSON.stringify(document).match(/"#\/[^"]+"/g) ?? [];
    expect(references.length).toBeGreaterThan(50);
    for (const reference of references) {
      const parts = JSON.parse(reference).slice(2).split("/");
      const found = parts.reduce(
        (value: Record<string, unknown>, part: string) => value[part] as never,
        document as never,
      );
      expect([reference, typeof found]).toEqual([reference, "object"]);
    }
  });

  it("tells of each route what it is for and how it refuses", () => {
    for (const { path, method, operation } of listOperations()) {
      const name = `${method} ${path}`;
      expect([name, operation.summary]).toEqual([name, expect.stringMatching(/^[A-Z].{5}/)]);
      if (!path.startsWith("/v1/") || path.startsWith("/v1/files")) continue;
      const statuses = Object.keys(operation.responses);
      // Nobody is asked for a key where people sign up and log in, look at a vendor or at what a
      // front end may know, or come in with a ticket.
      const isOpen = operation.security?.length === 0;
      const opened = /^\/v1\/(?:(?:auth|vendors)\/|config$|admin\/queues\/enter$)/;
      expect([name, isOpen]).toEqual([name, isOpen && opened.test(path)]);
      expect([name, statuses]).toEqual([
        name,
        expect.arrayContaining(["429", ...(isOpen ? [] : ["401", "403"]), "500", "503"]),
      ]);
      if (operation.requestBody) {
        expect([name, statuses]).toEqual([
          name,
          expect.arrayContaining(["400", "413", "415", "422"]),
        ]);
      }
      for (const [status, answer] of Object.entries(operation.responses)) {
        if (Number(status) < 400) continue;
        expect(Object.keys(answer.content ?? {})).toEqual(["application/problem+json"]);
      }
    }
  });

  it("gives each operation one name and a section that is described", () => {
    const { tags } = document as unknown as { tags: { name: string; description?: string }[] };
    const sections = tags.filter(({ description }) => description).map(({ name }) => name);
    const names = listOperations().map(({ path, method, operation }) => {
      const { operationId = "", tags: [section] = [] } = operation;
      expect([method, path, operationId]).toEqual([
        ...[method, path],
        expect.stringMatching(/^[a-z]+(?:[A-Z][a-z]*)*$/),
      ]);
      expect([operationId, sections]).toEqual([operationId, expect.arrayContaining([section])]);
      // What only administrators may is told from what the account itself may.
      expect([operationId, /^admin[A-Z]/.test(operationId)]).toEqual([
        ...[operationId, path.startsWith("/v1/admin/")],
      ]);
      return operationId;
    });
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  });

  it("names every schema that is answered or sent as JSON", () => {
    for (const { path, method, operation } of listOperations()) {
      const all = [operation.requestBody, ...Object.values(operation.responses)];
      for (const content of all.map((one) => one?.content?.["application/json"])) {
        if (!content || path === "/openapi.json") continue;
        const told = [method, path, content.schema];
        const named = { $ref: expect.stringMatching(/^#\/components\/schemas\//) };
        expect(told).toEqual([method, path, named]);
      }
    }
  });

  it("has names that clients in other languages can use", () => {
    // Of java.lang, which stands for itself everywhere.
    const taken = ["Boolean", "Error", "Exception", "Integer", "Iterable", "Long", "Module"];
    taken.push("Object", "Override", "Package", "Process", "Record", "String", "Thread", "Void");
    const names = Object.keys(document.components.schemas ?? {});
    expect(names.filter((name) => !/^[A-Z][A-Za-z0-9]*$/.test(name))).toEqual([]);
    expect(names.filter((name) => taken.includes(name))).toEqual([]);
  });

  it("says of a place that something may be null, never of a name", () => {
    type Nullable = { type?: string | string[]; anyOf?: Nullable[]; oneOf?: Nullable[] };
    const isNullable = ({ type, anyOf = [], oneOf = [] }: Nullable): boolean =>
      type === "null" ||
      (Array.isArray(type) && type.includes("null")) ||
      [...anyOf, ...oneOf].some(isNullable);
    const schemas = Object.entries(document.components.schemas ?? {});
    expect(schemas.filter(([, one]) => isNullable(one)).map(([name]) => name)).toEqual([]);
    const { AdminPayment, Item } = document.components.schemas as never as {
      [name: string]: { properties: Record<string, object> };
    };
    const orNull = (name: string) => [{ $ref: `#/components/schemas/${name}` }, { type: "null" }];
    expect(Item?.properties.output).toEqual({ anyOf: orNull("Output") });
    expect(AdminPayment?.properties.charged).toEqual({ anyOf: orNull("Money") });
  });

  it("tells unions apart by a member, says what is large and has no flags in patterns", () => {
    const faults: string[] = [];
    visitSchemas(document, "", (schema, at) => {
      const { oneOf, discriminator, type, pattern, maximum, format } = schema;
      if (oneOf && !discriminator) faults.push(`${at}: a union without a discriminator`);
      if (pattern !== undefined && /\/[a-z]*$/.test(pattern)) faults.push(`${at}: ${pattern}`);
      const isOpen = maximum === undefined || maximum > 2_147_483_647;
      if ([type].flat().includes("integer") && isOpen && format !== "int64")
        faults.push(`${at}: no format`);
    });
    expect(faults).toEqual([]);
    const { Balance, Input } = document.components.schemas as never as Record<string, Visited>;
    expect(Balance?.properties?.available).toMatchObject({ type: "integer", format: "int64" });
    expect(Object.keys(Input?.discriminator?.mapping ?? {})).toEqual(["photo", "address", "text"]);
  });

  it("has one schema for each name", async () => {
    const folder = join(import.meta.dirname, "../../../packages/types/src");
    const files = (await readdir(folder)).filter((name) => name.endsWith(".ts"));
    const texts = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8")));
    const names = texts.flatMap((text) =>
      [...text.matchAll(/\bid: "([A-Z]\w+)"/g)].map(([, name = ""]) => name),
    );
    expect(names.length).toBeGreaterThan(100);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  });

  it("has an example for every JSON body, and each is valid and complete", async () => {
    for (const { path, method, operation } of listOperations()) {
      const account = await stage.makeAccount(10);
      const content = operation.requestBody?.content["application/json"];
      if (!content) continue;
      const name = `${method} ${path}`;
      const [, , , schema = ""] = (content.schema as { $ref: string }).$ref.split("/");
      const { examples = [] } = (document.components.schemas?.[schema] ?? {}) as {
        examples?: object[];
      };
      expect([name, examples.length]).toEqual([name, 1]);
      const url = path.replace("{id}", "00000000-0000-4000-8000-000000000000");
      const how = { method: method.toUpperCase(), account, key: name, body: examples[0] };
      const answer = await stage.call(url, how);
      // What the examples name needn't be there, nor be in a state that allows it, nor be the
      // caller's: all of that is judged of a valid body only.
      const missing = operation.security?.length === 0 ? [401, 409] : [404, 409];
      if (/^\/v1\/auth\/(totp|email|phone|accounts|sessions)/.test(path)) missing.push(403);
      // What a picture is made of is told to be missing at its member.
      const isNoUpload = answer.body?.errors?.[0]?.pointer === "/upload_id";
      const isValid = answer.status < 300 || missing.includes(answer.status) || isNoUpload;
      expect([name, answer.status, isValid]).toEqual([name, answer.status, true]);
    }
  });

  it("asks for Ducat-Account only where nobody is the account by their own key", async () => {
    const { body } = await stage.call("/openapi.json", { bearer: null });
    const asked: string[] = [];
    for (const [path, methods] of Object.entries<Record<string, object>>(body.paths)) {
      for (const [method, { parameters = [] }] of Object.entries<{ parameters?: object[] }>(
        methods as never,
      )) {
        const all = parameters as { $ref?: string; name?: string; required?: boolean }[];
        const meant = all
          .map((one) => (one.$ref ? body.components.parameters[one.$ref.split("/")[3] ?? ""] : one))
          .find(({ name }) => name === "Ducat-Account");
        if (meant?.required) asked.push(`${method} ${path}`);
      }
    }
    expect(asked).toEqual(["post /v1/admin/generations/{id}/refund"]);
  });

  it("needs no key", async () => {
    const { status, headers } = await stage.call("/openapi.json", { bearer: null });
    expect([status, headers.get("content-type")]).toEqual([200, "application/json"]);
  });
});

describe("/docs", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.close());
  const fetchPage = (path: string) => stage.app.request(path);

  it("loads nothing from elsewhere", async () => {
    const page = await fetchPage("/docs");
    const html = await page.text();
    const urls = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url = ""]) => url);
    expect(urls.length).toBe(4);
    for (const url of urls) {
      expect(url).toMatch(/^\/docs\//);
      expect((await fetchPage(url)).status).toBe(200);
    }
    expect(html).not.toMatch(/https?:|<script>|<style|\son\w+=/);
    expect(await (await fetchPage("/docs/start.js")).text()).toContain("validatorUrl: null");
    expect(await (await fetchPage("/docs/swagger-ui.css")).text()).not.toMatch(
      /url\(["']?https?:|@import/,
    );
    const policy = page.headers.get("content-security-policy");
    expect(policy).toMatch(/^default-src 'none'; script-src 'self';/);
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval/);
  });

  it.each(["index.html", "package.json", "..%2fpackage.json", "constructor"])(
    "has no file %s",
    async (file) => {
      const missing = await fetchPage(`/docs/${file}`);
      expect(missing.status).toBe(404);
      expect(Problem.parse(await missing.json()).code).toBe("not_found");
    },
  );
});
