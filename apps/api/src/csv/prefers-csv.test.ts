import { describe, expect, it } from "vitest";
import { chooseType } from "./prefers-csv.ts";

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

describe("the type of an answer", () => {
  it.each([
    ["text/csv"],
    ["TEXT/CSV"],
    ["text/csv; charset=utf-8"],
    ["text/*"],
    ["text/csv, */*;q=0.1"],
    ["application/json;q=0.5, text/csv;q=0.6"],
    ["application/json;q=0, */*"],
    ["application/*;q=0.2, text/*;q=0.3"],
    ["text/csv;q=0.001"],
    ["application/json;q=1.5, text/csv;q=0.1"],
  ])("is CSV for %s", (accept) => {
    expect(chooseType(accept)).toBe("text/csv");
  });

  it.each([
    [""],
    ["*/*"],
    [browser],
    ["application/json"],
    ["application/json, text/csv"],
    ["text/csv;q=0.5, application/json;q=0.9"],
    ["text/csv;q=0.5, */*"],
    ["text/csv;q=0, text/*;q=0.1"],
    ["text/csv;q=2"],
    ["text/csv;q=0.1234"],
    ["text/csv;q="],
    ["image/png"],
    ["text"],
    [",;,/"],
    [`${"image/png,".repeat(60)}text/csv`],
  ])("is JSON for %j", (accept) => {
    expect(chooseType(accept)).toBe("application/json");
  });
});
