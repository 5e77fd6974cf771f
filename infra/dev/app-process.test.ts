import { expect, it, vi } from "vitest";
import { waitUntil } from "./processes.ts";
import { isRunning, killHard, makeScratch, runScript } from "./test/scratch.ts";

// Real processes, on machines that may be busy.
vi.setConfig({ testTimeout: 30_000 });

it("ends an app when the process that runs it is killed", async () => {
  const { child, said } = await runScript("hold-app.ts", await makeScratch());
  const pid = said.pid ?? 0;
  expect(await isRunning(pid)).toBe(true);
  await killHard(child);
  expect(await waitUntil(async () => !(await isRunning(pid)), 5_000)).toBe(true);
});
