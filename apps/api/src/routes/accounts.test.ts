import { Account } from "@ducat/types/accounts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stage, setStage } from "../../test/stage.ts";

describe("POST /v1/accounts", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.close());
  const create = (body: object, more: object = {}) => stage.call("/v1/accounts", { body, ...more });

  it("makes an account with its three trial credits", async () => {
    const made = await create({ external_id: "ada", name: "Ada", email: "ADA@x.org" });
    expect(made.status).toBe(201);
    expect(Account.parse(made.body)).toMatchObject({
      external_id: "ada",
      kind: "user",
      email: "ada@x.org",
      locale: "en",
      is_active: true,
    });
    const balance = await stage.call("/v1/credits/balance", { account: "ada" });
    expect(balance.body).toMatchObject({ available: 3, trial_credits: 3, token_balance: 0 });
  });

  it("returns the account of a known external id unchanged, with no second trial", async () => {
    const first = await create({ external_id: "bob", name: "Bob" });
    const again = await create({ external_id: "bob", name: "Robert", kind: "vendor" });
    expect(again.status).toBe(200);
    expect(again.text).toBe(first.text);
    const balance = await stage.call("/v1/credits/balance", { account: "bob" });
    expect(balance.body.available).toBe(3);
  });

  it("makes one account when twenty requests race for an external id", async () => {
    const all = await Promise.all(
      Array.from({ length: 20 }, () => create({ external_id: "racer" })),
    );
    expect(new Set(all.map(({ body }) => body.id)).size).toBe(1);
    expect(all.filter(({ status }) => status === 201)).toHaveLength(1);
  });

  it("refuses an e-mail address that another account has", async () => {
    await create({ external_id: "carol", email: "carol@x.org" });
    const second = await create({ external_id: "carol-2", email: "Carol@x.org" });
    expect(second.status).toBe(409);
    expect(second.body.code).toBe("already_exists");
  });

  it.each([
    [{}, ["/external_id"]],
    [{ external_id: "a b" }, ["/external_id"]],
    [{ external_id: "é" }, ["/external_id"]],
    [{ external_id: "x", kind: "admin" }, ["/kind"]],
    [{ external_id: "x", email: "nobody" }, ["/email"]],
    [{ external_id: "x", phone: "0911" }, ["/phone"]],
    [{ external_id: "x", name: "\0" }, ["/name"]],
    [{ external_id: "x", id: "1", credits: 9 }, ["/id", "/credits"]],
  ])("says what is wrong with %j", async (body, pointers) => {
    const refused = await create(body);
    expect(refused.status).toBe(422);
    expect(refused.body.code).toBe("validation_failed");
    expect(refused.body.errors.map((fault: { pointer: string }) => fault.pointer)).toEqual(
      pointers,
    );
  });

  it.each([null, "wrong", "x".repeat(40)])("refuses the key %s", async (bearer) => {
    const refused = await create({ external_id: "dora" }, { bearer });
    expect(refused.status).toBe(401);
    expect(refused.body.code).toBe("unauthenticated");
    expect(refused.headers.get("www-authenticate")).toBe('Bearer realm="ducat"');
  });
});
