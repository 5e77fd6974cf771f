import { recountDay } from "../../packages/db/src/recount.ts";
import { most, type PlaceCheck, type Row, type Tx } from "./check.ts";

const days = 3;

/** That statistics are what they were made of: the last days counted again. */
export const rollupChecks: PlaceCheck[] = [
  {
    check: "roll-ups",
    title: "statistics of the last three days are what their rows come to",
    async find(tx) {
      const rows: Row[] = [];
      for (const day of await listDays(tx)) {
        const { differences } = await recountDay(tx, day);
        rows.push(...differences.map((difference) => ({ day, ...difference })));
        if (rows.length >= most) break;
      }
      return rows.slice(0, most);
    },
  },
];

/** The days before today, the newest first: today is still being counted. */
async function listDays(tx: Tx): Promise<string[]> {
  const found = await tx<{ day: string }[]>`
    SELECT to_char((clock_timestamp() AT TIME ZONE 'UTC')::date - n, 'YYYY-MM-DD') AS day
    FROM generate_series(1, ${days}::int) AS n ORDER BY n`;
  return found.map(({ day }) => day);
}
