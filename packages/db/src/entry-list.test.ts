import { describe, expect, it } from "vitest";
import { givePurchase, makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { createRandom } from "../test/raw-rows.ts";
import { useDatabase } from "../test/use-database.ts";
import { consumeCredits, countEntries, type Entry, listEntries } from "./credits.ts";
import type { EntryFilter } from "./entry-filter.ts";
import { listLedger } from "./entry-list.ts";
import { cancelGeneration } from "./generations.ts";
import { readAll, readPage } from "./slices.ts";

const db = useDatabase();

/** An account with lines of several types, amounts and texts. */
async function makeHistory(seed: number) {
  const random = createRandom(seed);
  const { id } = await makeAccount(db.app);
  for (let line = 0; line < 12; line++) {
    if (random.chance(0.3)) await givePurchase(db.app, id, random.int(1, 30));
    const description = random.pick(["A letter", "a LETTER %_", "100% off\\", "نامه", undefined]);
    const spend = { ...makeKey(), amount: random.int(1, 3), description };
    await consumeCredits(db.app, id, spend).catch(() => undefined);
    if (random.chance(0.2)) await givePurchase(db.app, id, 2);
    const made = await makeGeneration(db.app, id, { labels: ["a", "b"] }).catch(() => undefined);
    if (made && random.chance(0.5)) await cancelGeneration(db.app, id, made.id);
  }
  const entries = (await listEntries(db.app, id, { limit: 1_000 })) as Entry[];
  return { id, random, entries };
}

/** The same by reading the rows one by one. */
const fits = (entry: Entry, filter: EntryFilter) => {
  const { from, to, minAmount, maxAmount, generationId, text } = filter;
  const types = filter.type === undefined ? undefined : [filter.type].flat();
  return (
    (!types || types.includes(entry.type)) &&
    (!from || entry.created_at >= from) &&
    (!to || entry.created_at < to) &&
    (minAmount === undefined || entry.amount >= minAmount) &&
    (maxAmount === undefined || entry.amount <= maxAmount) &&
    (!generationId || entry.generation_id === generationId) &&
    (!text || (entry.description ?? "").toLowerCase().includes(text.toLowerCase()))
  );
};

describe("a ledger's filters", () => {
  it.each([1, 2])("find what a fold over all lines finds (seed %s)", async (seed) => {
    const { id, random, entries } = await makeHistory(seed);
    const maybe = <T>(value: () => T) => (random.chance(0.3) ? value() : undefined);
    for (let round = 0; round < 10; round++) {
      const one = () => random.pick(entries as [Entry, ...Entry[]]);
      const filter: EntryFilter = {
        type: maybe(() => [random.pick(["usage", "refund"]), random.pick(["purchase", "trial"])]),
        from: maybe(() => one().created_at),
        to: maybe(() => one().created_at),
        minAmount: maybe(() => random.int(-3, 3)),
        maxAmount: maybe(() => random.int(-3, 10)),
        generationId: maybe(() => one().generation_id ?? undefined),
        text: maybe(() => random.pick(["letter", "%", "_", "\\", "نامه", "L"])),
      };
      const expected = entries.filter((entry) => fits(entry, filter)).map(({ seq }) => seq);
      const list = listLedger(db.app, id, filter);
      const found: number[] = [];
      let before: string | undefined;
      do {
        const page = await readPage(list, { before, limit: 7 });
        found.push(...page.rows.map(({ seq }) => seq));
        before = page.next;
      } while (before !== undefined);
      expect([filter, found]).toEqual([filter, expected]);
      const chunks: number[] = [];
      for await (const rows of readAll(list)) chunks.push(...rows.map(({ seq }) => seq));
      expect(chunks).toEqual(expected);
      expect(await countEntries(db.app, id, filter)).toBe(expected.length);
    }
  });

  it("find nothing of another account", async () => {
    const { id, entries } = await makeHistory(4);
    const { id: other } = await makeAccount(db.app);
    const generationId = entries.find((entry) => entry.generation_id)?.generation_id ?? undefined;
    for (const filter of [{ generationId }, { text: "letter" }, { type: "usage" }, {}]) {
      const { rows } = await readPage(listLedger(db.app, other, filter), {
        before: undefined,
        limit: 10,
      });
      const types = rows.map(({ type }) => type);
      expect(types).toEqual(Object.keys(filter).length === 0 ? ["trial"] : []);
    }
    expect(id).not.toBe(other);
  });
});
