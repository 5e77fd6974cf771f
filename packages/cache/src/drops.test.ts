import { describe, expect, it } from "vitest";
import { createDrops } from "./drops.ts";

describe("what was dropped", () => {
  it("is what was loaded before, and has the tag", () => {
    const drops = createDrops();
    const before = { at: drops.now(), tags: ["a", "b"] };
    drops.add(["b", "c"]);
    expect(drops.keeps(before)).toBe(false);
    expect(drops.keeps({ at: before.at, tags: ["a"] })).toBe(true);
    expect(drops.keeps({ at: drops.now(), tags: ["a", "b"] })).toBe(true);
    drops.addAll();
    expect(drops.keeps({ at: before.at, tags: ["a"] })).toBe(false);
  });

  it("stays dropped when its tag is no longer remembered", () => {
    const drops = createDrops(3);
    const tags = ["a"];
    const at = drops.now();
    drops.add(tags);
    const between = drops.now();
    for (const tag of ["b", "c", "d", "e"]) drops.add([tag]);
    expect(drops.keeps({ at, tags })).toBe(false);
    expect(drops.keeps({ at, tags: ["other"] })).toBe(false);
    expect(drops.keeps({ at: between, tags })).toBe(false);
    expect(drops.keeps({ at: drops.now(), tags })).toBe(true);
  });

  it("is remembered in the order of the last drop of each tag", () => {
    const drops = createDrops(2);
    for (const tag of ["a", "b", "a"]) drops.add([tag]);
    const at = drops.now();
    drops.add(["c"]);
    expect(drops.keeps({ at, tags: ["a", "b"] })).toBe(true);
    expect(drops.keeps({ at: at - 1, tags: ["a"] })).toBe(false);
  });
});
