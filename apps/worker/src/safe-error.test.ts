import { expect, it } from "vitest";
import { safeError } from "./safe-error.ts";

it("keeps where an error came from and drops what it says", () => {
  const cause = Object.assign(new TypeError("canary\n    at canary (canary.ts:1:1)"), {
    code: "23505",
    query: "SELECT 'canary'",
    parameters: ["canary"],
  });
  const told = safeError(new Error("canary", { cause }));
  expect(told).toMatchObject({ type: "Error", cause: { type: "TypeError", code: "23505" } });
  expect(JSON.stringify(told)).not.toContain("canary");
  expect(JSON.stringify(told)).toContain("safe-error.test");
});

it("tells the type of what is no error", () => {
  expect(safeError("canary")).toEqual({ type: "string" });
});
