import { describe, expect, it } from "vitest";
import { makeAccount } from "../test/factories.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { createAccount, findAccount } from "./accounts.ts";
import { findBalance } from "./credits.ts";

const database = useDatabase();

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

  it("is made once, with one trial, by twenty calls at once", async () => {
    const sessions = await openSessions(database.url, "ducat_app", 10);
    const account = { external_id: "in parallel", kind: "user", email: "p@example.com" } as const;
    const all = await Promise.all(atOnce(sessions, 20, (db) => createAccount(db, account)));
    expect(all.filter((one) => one.created)).toHaveLength(1);
    expect(new Set(all.map((one) => one.account.id)).size).toBe(1);
    const balance = await findBalance(database.app, all[0]?.account.id ?? "");
    expect(balance).toMatchObject({ available: 3, trial_credits: 3, token_balance: 0 });
  });

  it("has the trial that the configuration says, if any", async () => {
    const trialOf = async (value: string) => {
      await database.admin`
        UPDATE ducat.admin_config SET value = ${value}::text::jsonb WHERE key = 'trial_credits'`;
      const { id } = await makeAccount(database.app);
      return (await findBalance(database.app, id))?.trial_credits;
    };
    expect(await trialOf("0")).toBe(0);
    expect(await trialOf("7")).toBe(7);
    expect(await trialOf("3")).toBe(3);
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
    expect(await findAccount(database.app, account.id)).toEqual({
      id: account.id,
      is_active: true,
    });
    expect(await findAccount(database.app, account.external_id ?? "")).toEqual({
      id: account.id,
      is_active: true,
    });
    expect(await findAccount(database.app, shadow.id)).toEqual({ id: shadow.id, is_active: true });
    expect(await findAccount(database.app, "nobody")).toBeUndefined();
  });
});
