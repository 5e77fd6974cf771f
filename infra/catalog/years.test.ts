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

/** The last day of a month, before a year that has no 29 February, and a day that is one. */
const lastOfJanuary = new Date("2027-01-31T10:00:00Z");
const leapDay = new Date("2028-02-29T10:00:00Z");

describe("a year of landscape", () => {
  beforeAll(() => load("landscape"));

  it("refills each month from 31 January on, and keeps what may stay", () =>
    liveLandscape(database, { start: lastOfJanuary }));

  it("refills each month of a year that was paid on a leap day", () =>
    liveLandscape(database, { start: leapDay, months: 13 }, "year"));
});

describe("a year of letters", () => {
  beforeAll(() => load("letters"));

  it("gives letters by post month by month after the trial, and keeps the pack", () =>
    liveLetters(database, { start: lastOfJanuary }));

  it("counts the free letters by the calendar", () =>
    liveFreeLetters(database, { start: lastOfJanuary, months: 13 }));

  it("gives what an administrator has assigned, until its end", () =>
    liveAssigned(database, { start: leapDay }));
});

describe("a year of the stylist", () => {
  beforeAll(() => load("stylist"));

  it("gives two free conversions on the last day of each month", () =>
    liveFreeStylist(database, { start: lastOfJanuary }));

  it("is renewed by links until nobody pays: then grace, then the free plan", () =>
    liveStylist(database, { start: leapDay }));
});

describe("a year of the copywriter", () => {
  beforeAll(() => load("copywriter"));

  it("gives a hundred on the last day of each month and ends what is left", () =>
    liveCopywriter(database, { start: lastOfJanuary }));

  it("resets limits on the day that the plan began on", () =>
    liveAnchored(database, { start: lastOfJanuary, months: 13 }));
});
