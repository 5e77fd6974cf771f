import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { assertInvariants } from "../test/invariants.ts";
import { refusalOf } from "../test/outcome.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, output } from "../test/work.ts";
import { findBalance } from "./credits.ts";
import { findGeneration } from "./generations.ts";
import { completeItem } from "./items.ts";

const database = useDatabase();
const old = { code: "invalid_state", what: "style_version" };
const terms = { unit: 5, n: 2, lines: [{ kind: "base" as const, credits: 5 }] };

/** A style of the test's own, published again as it is asked for again. */
async function publish(id = `quoted_${randomUUID().slice(0, 8)}`, base = "5") {
  const style = {
    ...{ id, name: "x", description: "x", category: "x", kind: "text", generator: "local" },
    ...{ prompt: "x", params: {}, cost: 1, pricing: { base } },
  };
  await database.admin`SELECT ducat.publish_styles(${JSON.stringify([style])}::text::jsonb)`;
  return id;
}
const quoted = (style: string) => ({ style, terms, styleVersion: 1, unitCost: 5 });

describe("a price that was quoted", () => {
  it("is taken from its version of the style only, and nothing is taken else", async () => {
    const { app } = database;
    const [style, { id }] = [await publish(), await makeAccount(app, 20)];
    const key = makeKey();
    // Whoever knows nothing of such prices would take another.
    expect(await refusalOf(makeGeneration(app, id, { style }))).toEqual(old);
    const made = await makeGeneration(app, id, { ...quoted(style), ...key });
    expect(made).toMatchObject({ cost: 5, terms, style_version: 1 });
    await publish(style, "6");
    expect(await refusalOf(makeGeneration(app, id, quoted(style)))).toEqual(old);
    expect(await findBalance(app, id)).toMatchObject({ available: 18, held: 5 });
    // What was made once is answered as it was.
    const again = await makeGeneration(app, id, { ...quoted(style), ...key });
    expect(again).toEqual({ ...made, replayed: true });
    expect(JSON.stringify(again.terms)).toBe(JSON.stringify(terms));
    expect(await findGeneration(app, id, made.id)).toMatchObject({ terms, batch: null });
  });

  it("is taken by those that arrive together, each its own", async () => {
    const { app } = database;
    const [style, { id }] = [await publish(), await makeAccount(app, 200)];
    const other = await publish();
    await publish(other, "6");
    const asked = Array.from({ length: 30 }, (_, i) => {
      if (i % 3 === 1) return refusalOf(makeGeneration(app, id, quoted(other)));
      return makeGeneration(app, id, i % 3 === 0 ? quoted(style) : {});
    });
    const made = await Promise.all(asked);
    expect(made.filter((_, i) => i % 3 === 1)).toEqual(Array(10).fill(old));
    for (const [i, one] of made.entries()) {
      const expected = i % 3 === 0 ? { cost: 5, terms } : { cost: 1, terms: null };
      if (i % 3 !== 1) expect(one).toMatchObject(expected);
    }
    expect(await findBalance(app, id)).toMatchObject({ available: 203 - 60, held: 60 });
    const [row] = await database.admin`
      SELECT count(*)::int AS kept FROM ducat.generations
      WHERE account_id = ${id} AND terms ->> 'unit' = '5'`;
    expect(row?.kept).toBe(10);
  });

  it("comes with its own deadline and what the items came as, where that is said", async () => {
    const { app } = database;
    const [style, { id }] = [await publish(), await makeAccount(app, 20)];
    const batch = { rows: 1, errors: [] };
    const wanted = { ...quoted(style), ...makeKey(), batch, deadlineSeconds: 7_200 };
    const made = await makeGeneration(app, id, wanted);
    expect(made.deadline_at.getTime() - made.created_at.getTime()).toBe(7_200_000);
    expect(await makeGeneration(app, id, wanted)).toEqual({ ...made, batch, replayed: true });
  });
});

describe("what was charged", () => {
  it("is kept line by line, and the rest comes back, once however often it is told", async () => {
    const { app, worker, admin } = database;
    const [style, { id }] = [await publish(), await makeAccount(app, 20)];
    const made = await makeGeneration(app, id, quoted(style));
    const item = await claim(worker, id, made);
    expect(item).toMatchObject({ pricing: { base: "5" }, fallbacks: [], terms, cache_days: 0 });
    const charge = [
      { kind: "base" as const, credits: 5 },
      { kind: "fallback" as const, credits: -3 },
    ];
    const result = { output, usage: {}, actual: 2, charge, resultKey: Buffer.from("k") };
    const ends = await Promise.all([1, 2, 3].map(() => completeItem(worker, item, result)));
    expect(ends).toEqual(Array(3).fill("completed"));
    const found = await findGeneration(app, id, made.id);
    expect(found?.items).toMatchObject([{ cost: 5, refunded: 3, charge }]);
    expect(await findBalance(app, id)).toMatchObject({ available: 21, held: 0 });
    await assertInvariants(admin);
    // Lines that don't add up are a fault.
    await admin`UPDATE ducat.generation_items SET charge = '[{"credits": 1}]'
      WHERE account_id = ${id}`;
    await expect(assertInvariants(admin)).rejects.toThrow(/I5/);
    await admin`UPDATE ducat.generation_items SET charge = NULL WHERE account_id = ${id}`;
  });
});
