import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stage, setStage } from "../test/stage.ts";
import { createAccountFinder, requireAccount, type Scope, scopes } from "./auth.ts";
import type { AppEnv } from "./deps.ts";
import { answerProblem, toRefusal } from "./problem.ts";
import { accountRoutes } from "./routes/accounts.ts";
import { adminRoutes } from "./routes/admin.ts";
import { creditRoutes } from "./routes/credits.ts";
import { generationRoutes } from "./routes/generations.ts";
import { styleRoutes } from "./routes/styles.ts";
import { uploadRoutes } from "./routes/uploads.ts";

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
  it("are asked for by every file of routes, before anything else", async () => {
    const findAccount = createAccountFinder(stage.deps);
    const routes = {
      accounts: accountRoutes(stage.deps),
      styles: styleRoutes(stage.deps),
      uploads: uploadRoutes(stage.deps, findAccount),
      generations: generationRoutes(stage.deps, findAccount),
      credits: creditRoutes(stage.deps, findAccount),
      admin: adminRoutes(stage.deps, findAccount),
    };
    expect(Object.keys(routes).sort()).toEqual([...scopes].sort());
    for (const [scope, app] of Object.entries(routes)) {
      const others = scopes.filter((one) => one !== scope);
      const root = makeApp({ scopes: others }).route("/", app);
      const ends = new Set(app.routes.filter(({ method }) => method !== "ALL"));
      expect(ends.size).toBeGreaterThan(0);
      for (const { method, path } of ends) {
        const refused = await root.request(path.replace(":id", crypto.randomUUID()), { method });
        expect([scope, method, path, refused.status]).toEqual([scope, method, path, 403]);
      }
    }
  });
});

describe("the account acted for", () => {
  const ask = async (caller: { accountId?: string }, header?: string) => {
    const app = makeApp({ scopes, ...caller });
    app.get("/", requireAccount(createAccountFinder(stage.deps)), (c) => c.text(c.var.accountId));
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

  it("is remembered for a minute, and one that is not there is looked for again", async () => {
    let now = 0;
    let asked = 0;
    const db = new Proxy(stage.deps.db, {
      apply: (target, self, args) => {
        asked += 1;
        return Reflect.apply(target, self, args);
      },
    });
    const find = createAccountFinder({ db, now: () => now });
    await expect(find("late")).rejects.toBeInstanceOf(DomainError);
    const { body } = await stage.call("/v1/accounts", { body: { external_id: "late" } });
    expect([await find("late"), await find("late"), asked]).toEqual([body.id, body.id, 2]);
    now = 60_001;
    await find("late");
    expect(asked).toBe(3);
  });
});
