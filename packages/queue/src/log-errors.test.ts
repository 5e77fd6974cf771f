import { expect, it } from "vitest";
import { logErrors } from "./log-errors.ts";

it("writes the same error once, and how often it was left out with the next one", () => {
  const lines: unknown[] = [];
  const write = ({ err, repeated }: Record<string, unknown>) => {
    lines.push([(err as Error).message, repeated]);
  };
  const listen = logErrors({ warn: write, error: write }, "here");
  for (const message of ["a", "a", "a", "b", "a"]) listen(new Error(message));
  expect(lines).toEqual([
    ["a", 0],
    ["b", 2],
    ["a", 0],
  ]);
});
