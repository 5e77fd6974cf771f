import { describe, expect, it } from "vitest";
import { makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { consumeCredits, grantCredits, holdCredits } from "./credits.ts";

const database = useDatabase();

const day = 86_400;

/** Grants of one credit each, made in this order; the trial is the account's own. */
const grants = {
  never: {},
  late: { validForSeconds: 30 * day },
  house: { subject: "house" },
  soon: { validForSeconds: day },
  houseSoon: { subject: "house", validForSeconds: 2 * day },
  flat: { subject: "flat", validForSeconds: 3 * day },
  soonToo: { validForSeconds: day },
  promo: { source: "promo" as const },
};

/**
 * The names of the grants that `spend` takes from, in its order; `trial` stands for the trial's.
 */
async function listTaken(
  spend: (accountId: string) => Promise<unknown>,
): Promise<(string | undefined)[]> {
  const account = await makeAccount(database.app);
  const names = new Map<string, string>();
  const [end] = await database.admin`SELECT clock_timestamp() + interval '1 day' AS at`;
  for (const [name, more] of Object.entries(grants)) {
    const grant = { source: "purchase" as const, amount: 1, effectKey: name, ...more };
    // The very same moment for two of them: then the older one goes first.
    const exact = name.startsWith("soon") ? { validForSeconds: 0, expiresAt: end?.at } : {};
    const made = await grantCredits(database.app, account.id, { ...grant, ...exact });
    names.set(made.grant_id, name);
  }
  await spend(account.id);
  const [entry] = await database.admin<{ allocations: [string, number][] }[]>`
    SELECT allocations FROM ducat.credit_entries
    WHERE account_id = ${account.id} ORDER BY seq DESC LIMIT 1`;
  return (entry?.allocations ?? []).flatMap(([grantId, n]) =>
    Array.from({ length: n }, () => names.get(grantId) ?? "trial"),
  );
}

const app = () => database.app;
const trial = ["trial", "trial", "trial"];
const unbound = [...trial, "soon", "soonToo", "late", "never", "promo"];

describe("credits burn", () => {
  const cases: [string, (amount: number, subject?: string) => (id: string) => Promise<unknown>][] =
    [
      [
        "in a generation",
        (amount, subject) => (id) =>
          makeGeneration(app(), id, { unitCost: amount, ...said(subject) }),
      ],
      [
        "in a consumption",
        (amount, subject) => (id) =>
          consumeCredits(app(), id, { ...makeKey(), amount, ...said(subject) }),
      ],
      [
        "in a hold",
        (amount, subject) => (id) =>
          holdCredits(app(), id, { ...makeKey(), amount, expiresInSeconds: 60, ...said(subject) }),
      ],
    ];
  const said = (subject?: string) => (subject === undefined ? {} : { subject });

  it.each(cases)("%s: free first, then what expires soonest, then the oldest", async (_, spend) => {
    expect(await listTaken(spend(8))).toEqual(unbound);
    expect(await listTaken(spend(2))).toEqual(["trial", "trial"]);
    expect(await listTaken(spend(4))).toEqual([...trial, "soon"]);
  });

  it.each(cases)("%s for a subject: what is bound to it before all else", async (_, spend) => {
    expect(await listTaken(spend(10, "house"))).toEqual(["houseSoon", "house", ...unbound]);
    expect(await listTaken(spend(2, "flat"))).toEqual(["flat", "trial"]);
    expect(await listTaken(spend(4, "barn"))).toEqual([...trial, "soon"]);
  });
});
