import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cloneDatabase, type TestDatabase } from "../test/clone.ts";
import { makeAccount } from "../test/factories.ts";
import { createAccount, findAccountId } from "./accounts.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await cloneDatabase();
});
afterAll(() => database.close());

describe("an account", () => {
  it("is made once per external id, whatever else a repeat says", async () => {
    const first = await makeAccount(database.app);
    const again = await createAccount(database.app, {
      external_id: first.external_id ?? "",
      kind: "vendor",
      name: "Somebody else",
    });
    expect(again).toEqual({ account: first, created: false });
  });

  it("is refused the e-mail address of another of its kind", async () => {
    const email = "ada@example.com";
    const make = (external_id: string, kind: "user" | "vendor") =>
      createAccount(database.app, { external_id, kind, email });
    await make("ada", "user");
    await expect(make("ada-2", "user")).rejects.toMatchObject({ code: "already_exists" });
    expect((await make("ada-shop", "vendor")).created).toBe(true);
  });

  it("is found by either id, and by its own before another's external one", async () => {
    const account = await makeAccount(database.app);
    const { account: shadow } = await createAccount(database.app, {
      external_id: account.id,
      kind: "user",
    });
    expect(await findAccountId(database.app, account.id)).toBe(account.id);
    expect(await findAccountId(database.app, account.external_id ?? "")).toBe(account.id);
    expect(await findAccountId(database.app, shadow.id)).toBe(shadow.id);
    expect(await findAccountId(database.app, "nobody")).toBeUndefined();
  });
});
