import { expect, it } from "vitest";
import { waitUntil } from "./processes.ts";
import { isRunning, killHard, makeScratch, runScript } from "./test/scratch.ts";

it("ends an app when the process that runs it is killed", async () => {
  const { child, said } = await runScript("hold-app.ts", await makeScratch());
  const pid = said.pid ?? 0;
  expect(await isRunning(pid)).toBe(true);
  await killHard(child);
  expect(await waitUntil(async () => !(await isRunning(pid)), 5_000)).toBe(true);
});
