import { describe, expect, it } from "vitest";
import { createSlots } from "./slots.ts";

describe("createSlots", () => {
  const makeWork = () => {
    let finish: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      finish = resolve;
    });
    return { finish, done };
  };

  it("runs two at a time, then the next in line, and refuses beyond the line", async () => {
    const holdBody = createSlots({ slots: 2, mostWaiting: 2 }, "Too many uploads at once.");
    const works = [1, 2, 3, 4].map(makeWork);
    const started: number[] = [];
    const runs = works.map(({ done }, index) =>
      holdBody(async () => {
        started.push(index);
        await done;
      }),
    );
    await expect(holdBody(async () => undefined)).rejects.toMatchObject({ code: "unavailable" });
    expect(started).toEqual([0, 1]);
    works[1]?.finish();
    await runs[1];
    expect(started).toEqual([0, 1, 2]);
    for (const { finish } of works) finish();
    await Promise.all(runs);
    expect(started).toEqual([0, 1, 2, 3]);
    expect(await holdBody(async () => "free again")).toBe("free again");
  });

  it("frees the slot of one that fails", async () => {
    const holdBody = createSlots({ slots: 1, mostWaiting: 1 }, "Too many uploads at once.");
    const failing = holdBody(async () => {
      throw new Error("no");
    });
    const next = holdBody(async () => "yes");
    await expect(failing).rejects.toThrow("no");
    expect(await next).toBe("yes");
  });
});
