import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { makeAccount } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import {
  createApiKey,
  type KeyOwner,
  listApiKeys,
  revokeApiKey,
  rotateApiKey,
  useApiKey,
} from "./api-keys.ts";

const database = useDatabase();
const audit = { actor: "root", request_id: "r-1", ip: null };
const makeId = () => randomBytes(4).toString("hex");
const hashOf = (text: string) => createHash("sha256").update(text).digest();

const make = (owner: KeyOwner, more: { expiresAt?: Date; name?: string } = {}) => {
  const id = makeId();
  const key = { id, name: "a server", hash: hashOf(id), scopes: ["credits"], audit, ...more };
  return createApiKey(database.app, owner, key);
};

const use = (id: string) => useApiKey(database.app, id, hashOf(id));

describe("an API key", () => {
  it("works from the moment it is made, and its use is written at most once a minute", async () => {
    const { id, last_used_at } = await make(null);
    expect(last_used_at).toBeNull();
    const found = await use(id);
    expect(found).toMatchObject({ accountId: undefined, scopes: ["credits"] });
    expect(found?.hash.equals(hashOf(id))).toBe(true);
    const usedAt = async () =>
      (await listApiKeys(database.app, null)).find((key) => key.id === id)?.last_used_at;
    const first = await usedAt();
    expect(first).toBeTruthy();
    await use(id);
    expect(await usedAt()).toBe(first);
  });

  it("never shows its hash, nor another owner's keys", async () => {
    const [one, other] = [await makeAccount(database.app), await makeAccount(database.app)];
    const { id } = await make(one.id);
    const [listed] = await listApiKeys(database.app, one.id);
    expect(listed).toMatchObject({ id, account_id: one.id, created_by: "root" });
    expect(listed).not.toHaveProperty("hash");
    expect(await listApiKeys(database.app, other.id)).toEqual([]);
    const product = await listApiKeys(database.app, null);
    expect(product.map((key) => key.id)).not.toContain(id);
  });

  it("ends when it is revoked, by its owner only, and says so to every process", async () => {
    const [one, other] = [await makeAccount(database.app), await makeAccount(database.app)];
    const { id } = await make(one.id);
    const heard: string[] = [];
    const { unlisten } = await database.admin.listen("ducat_cache", (text) => heard.push(text));
    onTestFinished(() => unlisten());
    for (const stranger of [other.id, null]) {
      const refused = revokeApiKey(database.app, stranger, { id, audit });
      await expect(refused).rejects.toMatchObject({ code: "not_found" });
    }
    expect(await use(id)).toBeDefined();
    const { revoked_at } = await revokeApiKey(database.app, one.id, { id, audit });
    expect(await use(id)).toBeUndefined();
    expect((await revokeApiKey(database.app, one.id, { id, audit })).revoked_at).toBe(revoked_at);
    await expect.poll(() => heard).toContain(`["key:${id}"]`);
  });

  it("ends at its time", async () => {
    const past = await make(null, { expiresAt: new Date(Date.now() - 1_000) });
    expect(await use(past.id)).toBeUndefined();
  });

  it("is rotated with an overlap in which both work", async () => {
    const old = await make(null);
    const id = makeId();
    const change = { oldId: old.id, id, hash: hashOf(id), overlapSeconds: 60, audit };
    const made = await rotateApiKey(database.app, null, change);
    expect(made).toMatchObject({ replaces: old.id, name: old.name, scopes: old.scopes });
    const left = (await use(old.id))?.expiresAt?.getTime() ?? 0;
    expect(left).toBeLessThanOrEqual(Date.now() + 61_000);
    expect(await use(id)).toBeDefined();
    // A second rotation can't make the first key live longer.
    const next = makeId();
    const again = { ...change, id: next, hash: hashOf(next), overlapSeconds: 86_400 };
    await rotateApiKey(database.app, null, again);
    expect((await use(old.id))?.expiresAt?.getTime()).toBe(left);
  });

  it("has at most 99 others beside it, also when many are made at once", async () => {
    const { id } = await makeAccount(database.app);
    const made = await Promise.allSettled(Array.from({ length: 110 }, () => make(id)));
    const refused = made.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(10);
    expect((refused[0] as PromiseRejectedResult).reason).toMatchObject({ code: "invalid_state" });
  });

  it("leaves an audit line for each change", async () => {
    const { id } = await make(null);
    await revokeApiKey(database.app, null, { id, audit });
    const lines = await database.admin`
      SELECT action, actor FROM ducat.audit_logs WHERE resource_id = ${id} ORDER BY id`;
    expect(lines.map((line) => ({ ...line }))).toEqual([
      { action: "api_key.create", actor: "root" },
      { action: "api_key.revoke", actor: "root" },
    ]);
  });
});
