import { randomBytes, randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { waitForLocks } from "../test/wait.ts";
import { createAccount } from "./accounts.ts";
import type { Db } from "./connect.ts";
import { findBalance } from "./credits.ts";
import { eraseAccount } from "./erasures.ts";
import {
  type ExternalPerson,
  openExternalAccount,
  type PersonHashes,
} from "./external-identities.ts";

const database = useDatabase();
const issuer = "https://issuer.example";
const audit = { actor: "test", request_id: "test", ip: null };

const person = (more: Partial<ExternalPerson> = {}): ExternalPerson => ({
  issuer,
  subject: randomUUID(),
  isVerified: true,
  ...more,
});
const openFor = async (db: Db, who: ExternalPerson, hashes?: PersonHashes) => {
  const opened = await openExternalAccount(db, who, hashes);
  if (!opened) throw new Error("they have erased their account");
  return opened;
};
const open = async (who: ExternalPerson) => (await openFor(database.app, who)).accountId;
const trialOf = async (id: string) => (await findBalance(database.app, id))?.trial_credits;
const profileOf = async (id: string) => {
  const [row] = await database.admin`
    SELECT kind, external_id, name, email FROM ducat.accounts WHERE id = ${id}`;
  return row;
};

describe("somebody signed in elsewhere", () => {
  it("gets one account with one trial, from fifty first requests at once", async () => {
    const sessions = await openSessions(database.url, "ducat_app", 10);
    const who = person({ email: "fifty@example.com", name: "Fifty" });
    const all = await Promise.all(atOnce(sessions, 50, (db) => openFor(db, who)));
    const ids = new Set(all.map(({ accountId }) => accountId));
    expect(ids.size).toBe(1);
    const [id = ""] = ids;
    expect(await trialOf(id)).toBe(3);
    expect(await profileOf(id)).toEqual({
      kind: "user",
      external_id: null,
      name: "Fifty",
      email: "fifty@example.com",
    });
    const [rows] = await database.admin`
      SELECT count(*)::int AS n FROM ducat.accounts WHERE email = 'fifty@example.com'`;
    expect(rows?.n).toBe(1);
  });

  it("is somebody else at another issuer, whatever they are called there", async () => {
    const subject = randomUUID();
    const here = await open(person({ subject }));
    const there = await open(person({ subject, issuer: "https://other.example" }));
    expect(here).not.toBe(there);
    expect([await trialOf(here), await trialOf(there)]).toEqual([3, 3]);
    expect(await open(person({ subject }))).toBe(here);
  });

  it("never reaches another account by its e-mail address, nor a second trial", async () => {
    const email = `${randomUUID()}@example.com`;
    const { account } = await createAccount(database.app, {
      external_id: randomUUID(),
      kind: "user",
      email,
    });
    const id = await open(person({ email, name: "Mallory" }));
    expect(id).not.toBe(account.id);
    expect(await profileOf(id)).toMatchObject({ name: null, email: null });
    expect(await trialOf(id)).toBe(0);
    expect(await profileOf(account.id)).toMatchObject({ name: null, email });
  });

  it("of ten with one address only one gets it and the trial, all at once", async () => {
    const sessions = await openSessions(database.url, "ducat_app", 10);
    const email = `${randomUUID()}@example.com`;
    const all = await Promise.all(atOnce(sessions, 10, (db) => openFor(db, person({ email }))));
    const ids = all.map(({ accountId }) => accountId);
    expect(new Set(ids).size).toBe(10);
    const trials = await Promise.all(ids.map(trialOf));
    expect(trials.sort()).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
  });

  it("who is not verified has nothing until they are, and then once", async () => {
    const who = person({ name: "Ada", email: `${randomUUID()}@example.com` });
    const id = await open({ ...who, isVerified: false });
    expect(await trialOf(id)).toBe(0);
    expect(await profileOf(id)).toMatchObject({ name: null, email: null });
    for (let times = 0; times < 2; times++) expect(await open(who)).toBe(id);
    expect(await trialOf(id)).toBe(3);
    expect(await profileOf(id)).toMatchObject({ name: "Ada", email: who.email });
    await database.admin`UPDATE ducat.accounts SET name = 'Countess' WHERE id = ${id}`;
    await open(who);
    expect(await profileOf(id)).toMatchObject({ name: "Countess" });
  });

  it("has one trial per identity, which an erased account doesn't give back", async () => {
    const [mail, first, second] = [randomBytes(32), randomBytes(32), randomBytes(32)];
    const openAs = async (...identities: Buffer[]) =>
      (await openFor(database.app, person(), { names: [], identities })).accountId;
    const had = await openAs(mail, first);
    expect(await trialOf(had)).toBe(3);
    expect(await trialOf(await openAs(mail, second))).toBe(0);
    expect(await trialOf(await openAs(second))).toBe(0);
    await database.admin`DELETE FROM ducat.external_identities WHERE account_id = ${had}`;
    expect(await trialOf(await openAs(first))).toBe(0);
    expect(await trialOf(await openAs(randomBytes(32), randomBytes(32)))).toBe(3);
  });

  it("whose account was deactivated is told so, and gets nothing more", async () => {
    const who = person({ isVerified: false });
    const id = await open(who);
    await database.admin`UPDATE ducat.accounts SET is_active = false WHERE id = ${id}`;
    const again = await openExternalAccount(database.app, { ...who, isVerified: true });
    expect(again).toEqual({ accountId: id, isActive: false });
    expect(await trialOf(id)).toBe(0);
  });

  it("gives no name back to an account that is being erased", async () => {
    const who = person({ name: "Gone", isVerified: false });
    const id = await open(who);
    // Erasing takes the identity first; then whoever just comes waits for it.
    const erased = await database.admin.begin(async (tx) => {
      await tx`DELETE FROM ducat.external_identities WHERE account_id = ${id}`;
      const late = openExternalAccount(database.app, { ...who, isVerified: true });
      await waitForLocks(database.admin);
      return { late };
    });
    expect(await erased.late).toEqual({ accountId: id, isActive: false });
    expect(await profileOf(id)).toMatchObject({ name: null });
    expect(await trialOf(id)).toBe(0);
  });

  it("who has erased their account has no other by what they signed in with before", async () => {
    const [hmac, old] = [randomBytes(32), randomBytes(32)];
    const hashes = { names: [hmac], identities: [hmac] };
    const signedInAt = new Date();
    const who = person({ signedInAt });
    const { accountId: id } = await openFor(database.app, who, hashes);
    await eraseAccount(database.app, id, { isConfirmed: false, audit });
    const again = (more: object, by: PersonHashes = hashes) =>
      openExternalAccount(database.app, { ...who, ...more }, by);
    const count = async () => (await database.admin`SELECT FROM ducat.accounts`).length;
    const before = await count();
    expect(await again({})).toBeUndefined();
    // By a clock that is ahead of ours, by an older secret, and as somebody unverified.
    expect(await again({ signedInAt: new Date(Date.now() + 4_000) })).toBeUndefined();
    expect(await again({}, { names: [old, hmac], identities: [] })).toBeUndefined();
    expect(await again({ isVerified: false })).toBeUndefined();
    expect(await count()).toBe(before);
    const later = await again({ signedInAt: new Date(Date.now() + 10_000) });
    expect(later?.accountId).not.toBe(id);
    expect(await trialOf(later?.accountId ?? "")).toBe(0);
    // They are somebody here again: what is older opens it as well.
    expect(await again({})).toEqual(later);
  });

  it("is remembered by an HMAC alone, from the first time on that they come with one", async () => {
    const who = person();
    const { accountId: id } = await openFor(database.app, who);
    const hmac = randomBytes(32);
    const hashes = { names: [hmac], identities: [] };
    await openFor(database.app, who, hashes);
    await eraseAccount(database.app, id, { isConfirmed: false, audit });
    const rows = await database.admin`
      SELECT to_jsonb(e) - 'erased_at' AS row FROM ducat.erased_identities e WHERE hmac = ${hmac}`;
    expect(rows).toEqual([{ row: { hmac: `\\x${hmac.toString("hex")}` } }]);
    await expect(database.app`SELECT FROM ducat.erased_identities`).rejects.toThrow(/permission/);
  });

  it("is seen by nobody but their own account", async () => {
    await open(person());
    const seen = await database.app`SELECT FROM ducat.external_identities`;
    expect(seen).toEqual([]);
  });
});
