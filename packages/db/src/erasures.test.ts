import { describe, expect, it } from "vitest";
import { makeOffer, makePaid } from "../test/billing-factories.ts";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { waitForLocks } from "../test/wait.ts";
import { claim, complete, fail } from "../test/work.ts";
import { findAccount } from "./accounts.ts";
import type { Db } from "./connect.ts";
import { consumeCredits } from "./credits.ts";
import { eraseAccount, listRunning } from "./erasures.ts";
import { saveProgress } from "./progress.ts";

const database = useDatabase();
const audit = { actor: "account:x", request_id: "request-1", ip: null };
const erase = (id: string, isConfirmed = false) =>
  eraseAccount(database.app, id, { isConfirmed, audit });
const refusal = (reason: string) => ({ code: "invalid_state", detail: { extra: { reason } } });

describe("erase_account", () => {
  it("sees what was asked for while it was at work, and gives up whole", async () => {
    const { id } = await makeAccount(database.app, 10);
    const past = await makeGeneration(database.app, id, { reference: "past" });
    await complete(database.worker, await claim(database.worker, id, past));
    let erasing: Promise<string[]> | undefined;
    await database.app.begin(async (sql) => {
      // It holds the account's credits until it commits; the erasing has begun before that.
      await makeGeneration(sql as unknown as Db, id, { usage: [], reference: "late" });
      erasing = erase(id);
      erasing.catch(() => undefined);
      await waitForLocks(database.admin);
    });
    await expect(erasing).rejects.toMatchObject({
      code: "invalid_state",
      detail: { extra: { reason: "generations", open: 1 } },
    });
    const rows = await database.admin`
      SELECT reference FROM ducat.generations WHERE account_id = ${id} ORDER BY id`;
    expect(rows).toEqual([{ reference: "past" }, { reference: "late" }]);
    expect(await findAccount(database.app, id)).toEqual({ id, is_active: true });
  });

  it("lets nothing be asked for that comes after it", async () => {
    const { id } = await makeAccount(database.app, 10);
    await erase(id);
    const refused = { code: "account_frozen" };
    await expect(makeGeneration(database.app, id)).rejects.toMatchObject(refused);
    await expect(makeGeneration(database.app, id, { unitCost: 0 })).rejects.toMatchObject(refused);
    const spend = { key: "k", fingerprint: Buffer.alloc(32), amount: 1 };
    await expect(consumeCredits(database.app, id, spend)).rejects.toMatchObject(refused);
  });

  it("is refused once it is done, and for nobody", async () => {
    const { id } = await makeAccount(database.app);
    await erase(id);
    await expect(erase(id)).rejects.toMatchObject(refusal("erased"));
    await expect(erase(crypto.randomUUID())).rejects.toMatchObject({ code: "not_found" });
  });

  it("lets a subscription run out that is canceled, if that is confirmed", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin, { kind: "plan" }, { interval: "month" });
    await makePaid(database.app, id, {
      priceId: price.id,
      provider: "zarinpal",
      purpose: "subscription",
    });
    await expect(erase(id, true)).rejects.toMatchObject(refusal("subscription"));
    await database.app`SELECT ducat.cancel_own(${id})`;
    await expect(erase(id)).rejects.toMatchObject(refusal("subscription"));
    expect(await erase(id, true)).toEqual([]);
  });

  it("stops reloads and forgets the saved card", async () => {
    const { id } = await makeAccount(database.app);
    await database.admin`
      INSERT INTO ducat.provider_customers (account_id, provider, mode, customer_ref, method_ref)
      VALUES (${id}, 'sandbox', 'test', 'customer-1', 'card-1')`;
    await database.admin`
      UPDATE ducat.credit_accounts SET reload_below = 5, reload_due_at = now()
      WHERE account_id = ${id}`;
    await erase(id);
    const [row] = await database.admin`
      SELECT method_ref, reload_below, reload_due_at FROM ducat.provider_customers
      JOIN ducat.credit_accounts USING (account_id) WHERE account_id = ${id}`;
    expect(row).toEqual({ method_ref: null, reload_below: null, reload_due_at: null });
  });

  it("takes a person's words out of its events, and of no other's", async () => {
    const [gone, kept] = await Promise.all([1, 2].map(() => makeAccount(database.app, 9)));
    if (!gone || !kept) throw new Error("there are two");
    for (const { id } of [gone, kept]) {
      const made = await makeGeneration(database.app, id, { labels: ["my garden"] });
      const item = await claim(database.worker, id, made);
      const ref = { accountId: id, generationId: made.id, itemId: item.item_id, attempt: 1 };
      await saveProgress(database.worker, [{ ...ref, text: "my garden" }]);
      await fail(database.worker, item, { message: "No garden." });
    }
    await erase(gone.id);
    const readAll = async (id: string) => {
      const events = await database.admin`SELECT data FROM ducat.outbox WHERE account_id = ${id}`;
      const said =
        await database.admin`SELECT text FROM ducat.item_progress WHERE account_id = ${id}`;
      return JSON.stringify([events, said]);
    };
    expect(await readAll(gone.id)).not.toMatch(/garden/);
    expect((await readAll(kept.id)).match(/garden/g)).toHaveLength(3);
  });
});

describe("what runs for an account", () => {
  it("is listed until it has ended, and for nobody else", async () => {
    const [own, other] = [await makeAccount(database.app), await makeAccount(database.app)];
    const first = await makeGeneration(database.app, own.id);
    const second = await makeGeneration(database.app, own.id);
    expect(await listRunning(database.app, own.id)).toEqual([first.id, second.id]);
    await complete(database.worker, await claim(database.worker, own.id, first));
    expect(await listRunning(database.app, own.id)).toEqual([second.id]);
    expect(await listRunning(database.app, other.id)).toEqual([]);
  });
});
