import { beforeAll, describe, it } from "vitest";
import { useDatabase } from "../../packages/db/test/use-database.ts";
import {
  liveAnchored,
  liveAssigned,
  liveCopywriter,
  liveFreeLetters,
  liveFreeStylist,
  liveLandscape,
  liveLetters,
  liveStylist,
} from "../test/year-cases.ts";
import { loadCatalog } from "./load-catalog.ts";

const database = useDatabase();
const load = (catalog: string) => loadCatalog({ adminUrl: database.url, catalog }).then(() => {});

/** First and last days, before and after leap days, on one, and on the turn of a year. */
const starts = ["2027-01-01", "2027-01-31", "2027-05-31", "2027-08-30", "2027-12-31"]
  .concat("2028-01-30", "2028-02-29", "2028-03-31")
  .map((date) => new Date(`${date}T23:30:00Z`));
const years = starts.map((start, n) => ({ start, seed: 11 + n, months: 26 }));
const minutes = 10 * 60_000;

describe.each([
  ["landscape", [liveLandscape, (db, year) => liveLandscape(db, year, "year")]],
  ["letters", [liveLetters, (db, year) => liveLetters(db, year, "month"), liveFreeLetters]],
  ["letters", [liveAssigned]],
  ["stylist", [liveFreeStylist, liveStylist]],
  ["copywriter", [liveCopywriter, liveAnchored]],
] as [string, ((db: typeof database, year: (typeof years)[number]) => Promise<void>)[]][])(
  "two years of %s",
  (catalog, lives) => {
    beforeAll(() => load(catalog));

    it.each(years)(
      "from $start on, with the spends of seed $seed",
      async (year) => {
        for (const live of lives) await live(database, year);
      },
      minutes,
    );
  },
);
