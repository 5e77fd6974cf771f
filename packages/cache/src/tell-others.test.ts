import { describe, expect, it } from "vitest";
import { createTell, readTold } from "./tell-others.ts";

/** A line that answers when the test says so. */
function makeLine() {
  const sent: string[] = [];
  const answers: (() => void)[] = [];
  const send = (payload: string) => {
    sent.push(payload);
    return new Promise<void>((resolve) => answers.push(resolve));
  };
  /** Answers until nothing is on its way any more. */
  const answerAll = async (done: Promise<unknown>) => {
    let isDone = false;
    const end = done.finally(() => {
      isDone = true;
    });
    while (!isDone) {
      answers.shift()?.();
      await Promise.resolve();
    }
    await end;
  };
  return { sent, send, answerAll };
}

describe("telling the others", () => {
  it("sends what comes while a notification is on its way together in the next", async () => {
    const { sent, send, answerAll } = makeLine();
    const tell = createTell(send);
    const first = tell(["a"]);
    await Promise.resolve();
    await Promise.resolve();
    const more = Array.from({ length: 1_000 }, (_, at) => tell([`t${at % 100}`]));
    await answerAll(Promise.all([first, ...more]));
    const told = sent.map((payload) => readTold(payload).tags?.length);
    expect(told).toEqual([1, 50, 50]);
  });

  it("says that everything is gone when too much has piled up", async () => {
    const { sent, send, answerAll } = makeLine();
    const tell = createTell(send);
    const all = Array.from({ length: 10_000 }, (_, at) => tell([`t${at}`]));
    await answerAll(Promise.all(all));
    expect(sent).toHaveLength(1);
    expect(readTold(sent[0] ?? "").tags).toBeUndefined();
  });

  it("rejects for those who could not be heard, and goes on with the next", async () => {
    let isAway = true;
    const tell = createTell(async () => {
      if (isAway) throw new Error("away");
    });
    const refused = [tell(["a"]), tell(["b"])];
    for (const one of refused) await expect(one).rejects.toThrow("away");
    isAway = false;
    await tell(["c"]);
  });

  it("reads what the database says, and takes what nobody of ours has said for everything", () => {
    expect(readTold('["a","b"]')).toEqual({ tags: ["a", "b"] });
    for (const payload of ["", "no", "null", "3", '{"tags":[1]}']) {
      expect(readTold(payload)).toEqual({});
    }
  });

  it("takes no more than a notification carries", async () => {
    const tell = createTell(async () => undefined);
    await expect(tell(Array.from({ length: 51 }, (_, at) => `t${at}`))).rejects.toThrow(RangeError);
    await expect(tell(["x".repeat(129)])).rejects.toThrow(RangeError);
  });
});
