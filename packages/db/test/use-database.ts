import { afterAll, afterEach, beforeAll } from "vitest";
import { assertEvents } from "./check-events.ts";
import { cloneDatabase, type TestDatabase } from "./clone.ts";
import { assertInvariants } from "./invariants.ts";

/**
 * A database for the tests of this file, whose book must add up after each of them. Its
 * connections are there once the tests run, not while they are being described. `checksEvents`: all
 * events that the tests have left are as their contracts say.
 */
export function useDatabase({ checksEvents = false } = {}): Omit<TestDatabase, "close"> {
  let database: TestDatabase | undefined;
  const get = () => {
    if (!database) throw new Error("the database is there once the tests run");
    return database;
  };
  beforeAll(async () => {
    database = await cloneDatabase();
  });
  afterEach(() => assertInvariants(get().admin));
  afterAll(async () => {
    try {
      if (checksEvents && database) await assertEvents(database.admin);
    } finally {
      await database?.close();
    }
  });
  return {
    get app() {
      return get().app;
    },
    get worker() {
      return get().worker;
    },
    get admin() {
      return get().admin;
    },
    get url() {
      return get().url;
    },
  };
}
