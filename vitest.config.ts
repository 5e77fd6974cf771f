import { defineConfig } from "vitest/config";

/**
 * `suite` is everything quick; `kills` then runs the files that kill processes and servers.
 * Exhaustive forms (*.long.test.ts) run by `pnpm test:long` only.
 *
 * The files of a worker share its modules: to load the API anew for each of them took longer than
 * its tests. So no module keeps a value that changes (tidy.test.ts sees to it), and what a test
 * stubs is put back after it.
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
          isolate: false,
          // The driver keeps a stack for each query that a test writes, and with it the stage.
          execArgv: ["--max-old-space-size=4096"],
          unstubEnvs: true,
          unstubGlobals: true,
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
          isolate: false,
          // They wait more than they work, each on servers and processes of its own.
          maxWorkers: 3,
          testTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
