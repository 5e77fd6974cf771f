import { setTimeout as sleep } from "node:timers/promises";
import type { Generator } from "../src/generators/generator.ts";

const words = 60;

/** The text that an attempt writes in the end: no two attempts have a word in common. */
export const textOf = (attempt: number, count = words): string =>
  Array.from({ length: count }, (_, at) => `${attempt}é${at}`).join(" ");

/** Writes word by word. The first attempt has more to say than anybody waits for. */
export function createWriter(): Generator {
  return {
    name: "local",
    async run({ attempt }, { report, signal }) {
      const last = attempt === 1 ? 5_000 : words;
      for (let count = 1; count <= last; count += 1) {
        report?.({ text: textOf(attempt, count), fraction: count / last });
        await sleep(20, undefined, { signal });
      }
      return { status: "completed", output: { kind: "text", text: textOf(attempt, last) } };
    },
  };
}
