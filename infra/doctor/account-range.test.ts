import { expect, it } from "vitest";
import { nextId } from "./account-range.ts";

it.each([
  ["00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001"],
  ["01a1fc48-7f23-7d07-9397-4ee707ff61ff", "01a1fc48-7f23-7d07-9397-4ee707ff6200"],
  ["00000000-ffff-ffff-ffff-ffffffffffff", "00000001-0000-0000-0000-000000000000"],
  ["ffffffff-ffff-ffff-ffff-ffffffffffff", undefined],
])("after %s comes %s", (id, next) => {
  expect(nextId(id)).toBe(next);
});
