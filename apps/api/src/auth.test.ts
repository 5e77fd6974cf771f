import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isOpen, scopeOf } from "../test/matrix-entries.ts";
import { listOperations } from "../test/operations.ts";
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

describe("scopes", () => {
  it("are asked for by every route behind a key, before anything else", async () => {
    const routes = (await listOperations(stage)).filter((one) => !isOpen(one));
    expect(routes.length).toBeGreaterThan(80);
    for (const scope of scopes) {
      const rest = scopes.filter((one) => one !== scope);
      const made = await stage.call("/v1/api-keys", { body: { name: scope, scopes: rest } });
      const own = routes.filter((route) => scopeOf(route) === scope);
      expect([scope, own.length > 0]).toEqual([scope, true]);
      for (const { name, method, path } of own) {
        const url = path.replace(/\{\w+\}/g, crypto.randomUUID());
        const refused = await stage.call(url, { method, bearer: made.body.key });
        expect([name, refused.status]).toEqual([name, 403]);
      }
    }
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
