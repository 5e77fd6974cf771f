import { describe, expect, it } from "vitest";
import { readEnvironment, urlHost } from "./environment.ts";

describe("readEnvironment", () => {
  it("needs nothing: it is then a test on the embedded database", () => {
    expect(readEnvironment({}, "/ducat")).toEqual({
      port: 8787,
      host: "127.0.0.1",
      dataDir: "/ducat/.data",
      publicUrl: "http://127.0.0.1:8787",
      databaseUrl: undefined,
      directDatabaseUrl: undefined,
      mode: "test",
      rootKey: undefined,
      secretKeys: undefined,
      catalog: undefined,
      archiveDir: undefined,
    });
  });

  it("takes an empty variable for an unset one", () => {
    const blank = { PORT: "", DATABASE_URL: " ", DUCAT_MODE: "", DATA_DIR: "" };
    expect(readEnvironment(blank, "/ducat")).toEqual(readEnvironment({}, "/ducat"));
  });

  it("names every fault at once", () => {
    const source = { PORT: "80.5", DUCAT_MODE: "prod", DATABASE_URL: "postgres://db/ducat" };
    const read = () => readEnvironment(source, "/ducat");
    expect(read).toThrow(/PORT is "80.5"/);
    expect(read).toThrow(/DUCAT_MODE is "prod"/);
    expect(read).toThrow(/ROOT_KEY is missing/);
  });

  it("listens on every address only when a database is given", () => {
    const given = { DATABASE_URL: "postgres://db/ducat", ROOT_KEY: "k".repeat(32) };
    const environment = readEnvironment({ ...given, DUCAT_MODE: "live" }, "/ducat");
    expect(environment).toMatchObject({ host: "0.0.0.0", publicUrl: "http://127.0.0.1:8787" });
  });

  it("asks for the mode when a database is given", () => {
    const source = { DATABASE_URL: "postgres://db/ducat", ROOT_KEY: "k".repeat(32) };
    expect(() => readEnvironment(source, "/ducat")).toThrow(/DUCAT_MODE is missing/);
  });
});

it.each([
  ["0.0.0.0", "127.0.0.1"],
  ["::", "127.0.0.1"],
  ["::1", "[::1]"],
  ["localhost", "localhost"],
])("reaches host %s as %s", (host, expected) => {
  expect(urlHost(host)).toBe(expected);
});
