import { expect, it } from "vitest";
import { awaitRecovery } from "./await-recovery.ts";

it("waits for as long as recovery moves, and no longer", async () => {
  let reads = 0;
  const moving = async () => {
    reads += 1;
    return { isDone: reads > 30, at: `0/${reads}` };
  };
  expect(await awaitRecovery(moving, { stallMs: 0, pauseMs: 1 })).toBe(true);
  expect(reads).toBe(31);
  const stuck = async () => ({ isDone: false, at: "0/7" });
  expect(await awaitRecovery(stuck, { stallMs: 5, pauseMs: 1 })).toBe(false);
});
