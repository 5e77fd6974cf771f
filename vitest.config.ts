import { defineConfig } from "vitest/config";

/**
 * `suite` runs files in parallel; `kills` runs the files that kill processes and servers, one at a
 * time. Exhaustive forms (*.long.test.ts) run by `pnpm test:long` only.
 */
const exclude = ["**/node_modules/**", "**/dist/**", "**/.data/**"];
const long = process.env.DUCAT_TEST_LONG === "1";
const shared = {
  globalSetup: "./infra/test/global-setup.ts",
  // Limits, not expectations: a machine may be busy.
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      // Reads the source tree only: no services, so that `npm run check` takes seconds.
      { test: { name: "tidy", include: ["tidy.test.ts"] } },
      {
        test: {
          ...shared,
          name: "suite",
          include: ["**/*.test.ts"],
          exclude: [
            ...exclude,
            "tidy.test.ts",
            "**/*.kill.test.ts",
            ...(long ? [] : ["**/*.long.test.ts"]),
          ],
        },
      },
      {
        test: {
          ...shared,
          name: "kills",
          include: ["**/*.kill.test.ts"],
          exclude,
          fileParallelism: false,
          testTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
