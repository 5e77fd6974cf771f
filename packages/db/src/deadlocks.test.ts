import { DomainError } from "@ducat/types/errors";
import { describe, expect, it } from "vitest";
import { givePurchase, makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { assertInvariants } from "../test/invariants.ts";
import { makeRandom, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { complete, fail } from "../test/work.ts";
import type { Db } from "./connect.ts";
import {
  adjustCredits,
  advanceClock,
  captureHold,
  clawBack,
  consumeCredits,
  expireDue,
  findBalance,
  freezeAccount,
  holdCredits,
} from "./credits.ts";
import { refundGeneration } from "./generation-refunds.ts";
import {
  cancelGeneration,
  deleteGeneration,
  findGeneration,
  listGenerations,
} from "./generations.ts";
import { type ClaimedItem, claimItem, deferItem, endDueItem, sweepItems } from "./items.ts";

const database = useDatabase();

const audit = { actor: "test", request_id: "test", ip: null };
const features = ["a", "b", "c"];

/** What the load has made so far, for its next operations to meet again. */
type Made = {
  accounts: string[];
  grants: { accountId: string; grantId: string }[];
  holds: { accountId: string; holdId: string }[];
  generations: { accountId: string; id: string; items: string[] }[];
  claimed: ClaimedItem[];
};

/** One process of each kind; the functions are granted to the one or the other. */
type Processes = { app: Db; worker: Db };
type Operation = (db: Processes, made: Made, random: (limit: number) => number) => Promise<unknown>;

/** Everything that writes, each on whatever it finds; refusals are part of the game. */
const operations: Record<string, Operation> = {
  async create({ app }, made, random) {
    const accountId = pick(made.accounts, random);
    const usage = features
      .slice(random(3))
      .map((feature) => ({ feature, amount: 1, limit: 500, period_start: "2026-11-01T00:00:00Z" }))
      .sort(() => random(2) - 0.5);
    const labels = Array.from({ length: 1 + random(4) }, (_, i) => `${i}`);
    const one = await makeGeneration(app, accountId, {
      labels,
      usage,
      ...(random(4) ? {} : { subject: "house" }),
    });
    made.generations.push({ accountId, id: one.id, items: one.item_ids });
  },
  /** Over several accounts, so that some go together and lock more than one. */
  async createTogether({ app }, made, random) {
    const ids = Array.from({ length: 6 }, () => pick(made.accounts, random));
    const created = await Promise.allSettled(ids.map((id) => makeGeneration(app, id)));
    created.forEach((one, i) => {
      const accountId = ids[i];
      if (one.status === "fulfilled" && accountId) {
        made.generations.push({ accountId, id: one.value.id, items: one.value.item_ids });
      } else if (one.status === "rejected") codeOf(one.reason);
    });
  },
  async claim({ worker }, made, random) {
    const generation = made.generations[random(made.generations.length)];
    if (!generation) return;
    const item = { accountId: generation.accountId, generationId: generation.id };
    const itemId = pick(generation.items, random);
    const lease = random(3) ? 60 : 0;
    const attempt = random(4) ? 0 : 1;
    const claimed = await claimItem(worker, { ...item, itemId, attempt }, lease);
    if (claimed) made.claimed.push(claimed);
  },
  async settle({ worker }, made, random) {
    const item = made.claimed[random(made.claimed.length)];
    if (!item) return;
    const how = random(5);
    if (how < 2) return complete(worker, item, random(2));
    if (how === 4) return deferItem(worker, item, 0);
    return fail(worker, item, { retryable: how === 3 });
  },
  async end({ app, worker }, made, random) {
    const generation = made.generations[random(made.generations.length)];
    if (!generation) return;
    const { accountId, id, items } = generation;
    const how = random(5);
    if (how === 0) return cancelGeneration(app, accountId, id);
    if (how === 1) return deleteGeneration(app, accountId, id);
    if (how === 2) return findGeneration(app, accountId, id);
    const itemId = pick(items, random);
    if (how === 3) return endDueItem(worker, { accountId, generationId: id, itemId });
    return refundGeneration(app, accountId, { ...makeKey(), id, reason: "test", audit });
  },
  async spend({ app }, made, random) {
    const accountId = pick(made.accounts, random);
    const spend = { ...makeKey(), amount: 1 + random(5) };
    if (random(2)) return consumeCredits(app, accountId, spend);
    const hold = await holdCredits(app, accountId, { ...spend, expiresInSeconds: 3600 });
    made.holds.push({ accountId, holdId: hold.id });
  },
  async capture({ app }, made, random) {
    const hold = made.holds[random(made.holds.length)];
    if (hold) await captureHold(app, hold.accountId, { ...hold, amount: random(4) });
  },
  async give({ app }, made, random) {
    const accountId = pick(made.accounts, random);
    const { grant_id: grantId } = await givePurchase(app, accountId, 5 + random(30), {
      ...(random(2) ? { validForSeconds: 600 * (1 + random(9)) } : {}),
      ...(random(4) ? {} : { subject: "house" }),
    });
    made.grants.push({ accountId, grantId });
  },
  async claw({ worker }, made, random) {
    const grant = made.grants[random(made.grants.length)];
    if (grant) await clawBack(worker, grant.accountId, { ...grant, reversed: random(20) });
  },
  async manage({ app, worker }, made, random) {
    const accountId = pick(made.accounts, random);
    const how = random(5);
    if (how === 0) return advanceClock(app, accountId, random(1200));
    if (how === 1) return expireDue(worker);
    if (how === 2) return sweepItems(worker);
    if (how === 3) return freezeAccount(app, accountId, { reason: "x", frozen: !random(5), audit });
    const amount = random(9) - 4 || 1;
    return adjustCredits(app, accountId, { ...makeKey(), amount, reason: "test", audit });
  },
  async read({ app }, made, random) {
    const accountId = pick(made.accounts, random);
    await Promise.all([findBalance(app, accountId), listGenerations(app, accountId, { limit: 5 })]);
  },
};

function pick<T>(list: T[], random: (limit: number) => number): T {
  const one = list[random(list.length)];
  if (one === undefined) throw new Error("nothing to pick from");
  return one;
}

describe("every writing function at once on three accounts", () => {
  it("never deadlocks, never breaks, and leaves a ledger that adds up", async () => {
    const apps = await openSessions(database.url, "ducat_app", 12);
    const workers = await openSessions(database.url, "ducat_worker", 12);
    const accounts = await Promise.all([1, 2, 3].map(() => makeAccount(database.app, 40)));
    const made: Made = {
      accounts: accounts.map((account) => account.id),
      grants: [],
      holds: [],
      generations: [],
      claimed: [],
    };
    const codes: Record<string, number> = {};
    // What follows a claim can only be as frequent as claims are.
    const more = ["create", "create", "create", "claim", "claim", "settle", "settle", "end", "end"];
    const names = [...Object.keys(operations), ...more];
    const run = async (app: Db, index: number) => {
      const db = { app, worker: workers[index] ?? app };
      const random = makeRandom(20_261_120 + index);
      for (let n = 0; n < 60; n++) {
        const operation = operations[names[random(names.length)] ?? ""];
        const code = await operation?.(db, made, random).then(() => "ok", codeOf);
        codes[code ?? ""] = (codes[code ?? ""] ?? 0) + 1;
      }
    };
    await Promise.all(apps.map(run));
    // `unavailable` is what a deadlock or a lock time-out would be told as.
    const expected = ["ok", "insufficient_credits", "account_frozen", "invalid_state", "not_found"];
    expect(
      Object.keys(codes).filter((code) => ![...expected, "validation_failed"].includes(code)),
    ).toEqual([]);
    expect(codes.ok).toBeGreaterThan(300);
    expect(made.claimed.length).toBeGreaterThan(30);
    await assertInvariants(database.admin);
  });
});

function codeOf(error: unknown): string {
  if (error instanceof DomainError && error.code !== "unavailable") return error.code;
  throw error;
}
