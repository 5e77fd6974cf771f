import { expect, it } from "vitest";
import { countTests, formatTotal } from "./test-total.ts";

const report = (change: object) =>
  JSON.stringify({
    numPassedTests: 3,
    numFailedTests: 0,
    numPendingTests: 0,
    numTodoTests: 0,
    testResults: [],
    ...change,
  });

it("counts passed, failed and skipped", () => {
  const text = report({ numFailedTests: 1, numPendingTests: 2, numTodoTests: 1 });
  expect(countTests(text)).toEqual({ passed: 3, failed: 1, skipped: 3 });
});

it("counts a file that cannot even be loaded as one failed", () => {
  const text = report({ testResults: [{ status: "failed", assertionResults: [] }] });
  expect(countTests(text)).toEqual({ passed: 3, failed: 1, skipped: 0 });
});

it("does not count a failed test twice", () => {
  const results = [{ status: "failed", assertionResults: [{ status: "failed" }] }];
  expect(countTests(report({ numFailedTests: 1, testResults: results })).failed).toBe(1);
});

it("counts a run without a report as failed", () => {
  expect(countTests(undefined)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

it("prints skipped only when there are any", () => {
  expect(formatTotal({ passed: 3, failed: 1, skipped: 0 })).toBe("3 passed, 1 failed");
  expect(formatTotal({ passed: 3, failed: 1, skipped: 2 })).toBe("3 passed, 1 failed, 2 skipped");
});
