import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stage, setStage } from "../test/stage.ts";
import { createAccountFinders, requireAccount } from "./auth.ts";
import type { AppEnv } from "./deps.ts";
import { answerProblem, toRefusal } from "./problem.ts";
import { type Scope, scopes } from "./scopes.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

/** An app whose caller is given, as keys of a later kind will be. */
const makeApp = (caller: { scopes: readonly Scope[]; accountId?: string }) => {
  const app = new OpenAPIHono<AppEnv>();
  app.onError((error, c) => answerProblem(c, toRefusal(error)));
  app.use(async (c, next) => {
    c.set("principal", { kind: "root", actor: "test", ...caller });
    await next();
  });
  return app;
};

/** The scope that each noun of the API asks for. */
const nouns: Record<string, Scope> = {
  accounts: "accounts",
  "api-keys": "keys",
  styles: "styles",
  uploads: "uploads",
  generations: "generations",
  credits: "credits",
  me: "profile",
  vendor: "profile",
  admin: "admin",
  "credits/auto-reload": "billing",
  ...Object.fromEntries(
    ["products", "checkout", "portal", "payments", "subscription"].map(
      (noun) => [noun, "billing"] as const,
    ),
  ),
};
const scopeOf = (path: string, method?: string): Scope | undefined => {
  if (path === "/v1/me" && method === "delete") return "accounts";
  const [, , noun = "", rest] = path.split("/");
  return nouns[`${noun}/${rest}`] ?? nouns[noun];
};

describe("scopes", () => {
  it("are asked for by every route behind a key, before anything else", async () => {
    const { body: document } = await stage.call("/openapi.json");
    const routes = Object.entries<object>(document.paths).filter(([path]) =>
      /^\/v1\/(?!files|auth\/)/.test(path),
    );
    expect(routes.length).toBeGreaterThan(20);
    for (const scope of scopes) {
      const rest = scopes.filter((one) => one !== scope);
      const made = await stage.call("/v1/api-keys", { body: { name: scope, scopes: rest } });
      const all = routes.flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => [path, method] as const),
      );
      const own = all.filter(([path, method]) => scopeOf(path, method) === scope);
      expect([scope, own.length > 0]).toEqual([scope, true]);
      for (const [path, method] of own) {
        const url = path.replace(/\{\w+\}/g, crypto.randomUUID());
        const how = { method: method.toUpperCase(), bearer: made.body.key };
        const refused = await stage.call(url, how);
        expect([method, path, refused.status]).toEqual([method, path, 403]);
      }
    }
    const known = routes.filter(([path]) => scopeOf(path) !== undefined);
    expect(known.map(([path]) => path)).toEqual(routes.map(([path]) => path));
  });
});

describe("the account acted for", () => {
  const ask = async (caller: { accountId?: string }, header?: string) => {
    const app = makeApp({ scopes, ...caller });
    const { findAccount } = createAccountFinders(stage.deps);
    app.get("/", requireAccount(findAccount), (c) => c.text(c.var.accountId));
    const headers: Record<string, string> = header === undefined ? {} : { "ducat-account": header };
    const answer = await app.request("/", { headers });
    return answer.ok ? await answer.text() : answer.status;
  };

  it("is the caller's own, whatever the header says", async () => {
    const own = await stage.makeAccount();
    const other = await stage.makeAccount();
    expect(await ask({ accountId: own }, other)).toBe(own);
    expect(await ask({ accountId: own })).toBe(own);
  });

  it("is found by id and by external id, and nothing else", async () => {
    const { body } = await stage.call("/v1/accounts", { body: { external_id: "by-name" } });
    expect(await ask({}, body.id)).toBe(body.id);
    expect(await ask({}, "by-name")).toBe(body.id);
    for (const unknown of ["by-nam", "BY-NAME", "%", "x".repeat(256), "a b"]) {
      expect(await ask({}, unknown)).toBe(404);
    }
    expect(await ask({})).toBe(400);
    expect(await ask({}, "")).toBe(400);
  });

  it("is remembered, and one that is not there is looked for again", async () => {
    await stage.deps.cache.ready();
    let asked = 0;
    const db = new Proxy(stage.deps.db, {
      apply: (target, self, args) => {
        asked += 1;
        return Reflect.apply(target, self, args);
      },
    });
    const { findAccount: find } = createAccountFinders({ db, cache: stage.deps.cache });
    await expect(find("late")).rejects.toBeInstanceOf(DomainError);
    const { body } = await stage.call("/v1/accounts", { body: { external_id: "late" } });
    expect([await find("late"), await find("late"), asked]).toEqual([body.id, body.id, 2]);
    await stage.deps.cache.drop([`account:${body.id}`]);
    await find("late");
    expect(asked).toBe(3);
  });
});
