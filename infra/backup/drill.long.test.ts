import { expect, it } from "vitest";
import { makeScratch } from "../dev/test/scratch.ts";
import { runDrill } from "./run-drill.ts";

it("a destroyed deployment comes back from its backup, in order, and works on", async () => {
  const lines: string[] = [];
  await runDrill({ dir: await makeScratch(), log: (line) => void lines.push(line) });
  expect(lines.at(-1)).toContain("the doctor found nothing");
}, 180_000);
