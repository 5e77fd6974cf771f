import { randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { arbitraryMalformed, type Document } from "./malformed.ts";
import { type Stage, setStage } from "./stage.ts";

type Contract = { safeParse(body: unknown): { success: boolean } };
type Named = Contract & { meta(): { id?: string } | undefined };

/** Every contract of packages/types that has a name, by it. */
async function readContracts(): Promise<Record<string, Contract>> {
  const dir = join(import.meta.dirname, "../../../packages/types/src");
  const files = (await readdir(dir)).filter((file) => !file.endsWith(".test.ts"));
  const modules = await Promise.all(files.map((file) => import(join(dir, file))));
  const isContract = (one: unknown): one is Named =>
    typeof one === "object" && one !== null && "safeParse" in one && "meta" in one;
  const named = modules.flatMap((module) => Object.values(module).filter(isContract));
  return Object.fromEntries(named.flatMap((one) => [[one.meta()?.id ?? "", one] as const]));
}

describe("2,000 malformed requests", () => {
  let stage: Stage;
  let document: Document;
  let contracts: Record<string, Contract>;
  beforeAll(async () => {
    stage = await setStage();
    contracts = await readContracts();
    document = (await stage.call("/openapi.json")).body;
  });
  afterAll(() => stage.close());

  /** Every row there is, as one number per table. */
  const countRows = async () => {
    const tables = await stage.db.admin<{ name: string }[]>`
      SELECT relname AS name FROM pg_class
      WHERE relnamespace = 'ducat'::regnamespace AND relkind = 'r' ORDER BY 1`;
    const counts: Record<string, number> = {};
    for (const { name } of tables) {
      // What is counted against a limit is counted for a refused request too.
      if (name === "rate_limits") continue;
      const [row] = await stage.db.admin`
        SELECT count(*)::int AS n FROM ducat.${stage.db.admin(name)}`;
      counts[name] = row?.n;
    }
    return counts;
  };

  it("are each refused with 4xx and a problem document, and leave no row", async () => {
    const account = await stage.makeAccount(100);
    const before = await countRows();
    const seen: Record<number, number> = {};
    const isValid = (schema: string, body: unknown) => {
      const contract = contracts[schema];
      expect(contract, schema).toBeDefined();
      return contract?.safeParse(body).success === true;
    };
    const property = fc.asyncProperty(arbitraryMalformed(document, isValid), async (request) => {
      const { path, fault, ...call } = request;
      const answer = await stage.call(path, { ...call, account, key: randomUUID() });
      seen[answer.status] = (seen[answer.status] ?? 0) + 1;
      expect([fault, Math.floor(answer.status / 100)]).toEqual([fault, 4]);
      expect(answer.body?.code).toBeDefined();
    });
    await fc.assert(property, { numRuns: 2_000, seed: 20261120, endOnFailure: true });
    expect(await countRows()).toEqual(before);
    const each = ["400", "404", "413", "415", "422"];
    expect(Object.keys(seen)).toEqual(expect.arrayContaining(each));
  });

  it("and those that the contracts let through never make the API fail", async () => {
    const account = await stage.makeAccount(100);
    const property = fc.asyncProperty(
      arbitraryMalformed(document, () => false),
      async (request) => {
        const { path, fault, ...call } = request;
        const answer = await stage.call(path, { ...call, account, key: randomUUID() });
        expect([fault, answer.status < 500]).toEqual([fault, true]);
      },
    );
    await fc.assert(property, { numRuns: 1_000, seed: 20261121, endOnFailure: true });
  });

  it("come from every contract that the API reads", () => {
    const used = JSON.stringify(document.paths).match(/"requestBody":.*?schemas\/(\w+)"/g) ?? [];
    const names = used.map((text) => /schemas\/(\w+)"$/.exec(text)?.[1] ?? "");
    expect(new Set(names).size).toBeGreaterThan(20);
    expect(names.filter((name) => !(name in contracts))).toEqual([]);
  });
});
