import { createHash, randomUUID } from "node:crypto";
import type { Db } from "../../packages/db/src/connect.ts";
import { createGeneration } from "../../packages/db/src/generations.ts";
import { spend } from "./bare.ts";
import { type Bench, pickRandom } from "./bench.ts";
import { runClients } from "./clients.ts";
import { type Row, runRounds } from "./rounds.ts";

const style = "modern_minimalist";
const input = { type: "text", prompt: "A small courtyard with an old olive tree." };

/** A create of one item: its SQL call by call, and through the function that the API calls. */
export async function benchCreateGeneration(bench: Bench): Promise<Row[]> {
  const { accounts, connect } = await bench.database();
  const hot = pickRandom(accounts);
  const places = [
    { name: `${accounts.length} accounts`, choose: () => pickRandom(accounts), aim: 0.65 },
    { name: "one account", choose: () => hot, aim: 0.75 },
  ];
  const rows: Row[] = [];
  for (const clients of [1, 8, 16]) {
    // A connection for each client, and the same ones for every side.
    const db = connect(clients);
    const run = (call: () => Promise<unknown>) => () =>
      runClients({ clients, seconds: bench.seconds }, call);
    for (const { name, choose, aim } of places) {
      const title = `create, ${name}, ${clients} client${clients > 1 ? "s" : ""}`;
      bench.say(title);
      const group = {
        title,
        bare: { name: "bare call", run: run(() => spend(db, choose())) },
        sides: [
          { name: "create_generation", run: run(() => callCreate(db, choose())), aim },
          { name: "createGeneration()", run: run(() => create(db, choose())), aim },
        ],
      };
      rows.push(...(await runRounds(group, bench.rounds)));
    }
    await db.end();
  }
  return rows;
}

/** A key and the hash of a request that nobody sent before. */
export function makeRequestKey() {
  const key = randomUUID();
  return { key, fingerprint: createHash("sha256").update(key).digest() };
}

/** As the API creates one; what arrives together goes together. */
export const create = (db: Db, accountId: string) =>
  createGeneration(db, accountId, {
    ...makeRequestKey(),
    style,
    input,
    params: {},
    labels: [null],
  });

const inputText = JSON.stringify(input);
const labels = [null];

/** The SQL function alone, one prepared call a generation. */
export function callCreate(db: Db, accountId: string) {
  const { key, fingerprint } = makeRequestKey();
  return db`
    SELECT id, cost, balance_after, created_at, item_ids
    FROM ducat.create_generation(${accountId}, ${key}, ${fingerprint}, ${style},
      ${inputText}::text::json, ${"{}"}::text::json, ${labels}::text[])`;
}
