import { readGenerationStream, type SeenItem } from "@ducat/db/events";
import { expect, it } from "vitest";
import { startChild } from "../test/children.ts";
import { assertBooks, eventually, type MadeItem, type Stage, setStage } from "../test/stage.ts";
import { createWriter, textOf } from "../test/writer.ts";

/** Reads on as a stream does: it keeps what it has, and only ever asks for what is new. */
function createReader(stage: Stage, { accountId, generationId, itemId }: MadeItem) {
  const texts = new Map<number, string>();
  let seen: SeenItem | undefined;
  let ended: string | undefined;
  const read = async () => {
    const slice = await readGenerationStream(stage.db.app, accountId, {
      ...{ generationId, endedNo: 0, limit: 10 },
      seen: seen ? [seen] : [],
    });
    const [item] = slice?.items ?? [];
    if (item) ended = (item.output as { text: string } | null)?.text ?? "";
    for (const { attempt, offset, text } of slice?.live ?? []) {
      if (text === undefined) continue;
      const before = texts.get(attempt) ?? "";
      // Nothing is left out, nothing comes twice, and a new attempt begins at 0.
      expect([attempt >= (seen?.attempt ?? 0), offset]).toEqual([true, [...before].length]);
      texts.set(attempt, before + text);
      const chars = [...before, ...text].length;
      seen = { tail: itemId.slice(-12), attempt, chars };
    }
  };
  return { read, text: (attempt: number) => texts.get(attempt) ?? "", ended: () => ended };
}

it.concurrent.each(["SIGKILL", "SIGSTOP"])(
  "a text begins anew when its worker gets a %s",
  async (signal) => {
    const stage = await setStage("postgres");
    try {
      await expectAnotherBeginning(stage, signal);
    } finally {
      await stage.close();
    }
  },
);

async function expectAnotherBeginning(stage: Stage, signal: string): Promise<void> {
  const item = await stage.makeItem({}, { style: "letter" });
  await stage.enqueue(item);
  const reader = createReader(stage, item);
  const child = await startChild(stage, { isWriter: true });
  await eventually(async () => {
    await reader.read();
    expect(reader.text(1).length).toBeGreaterThan(100);
  });
  if (signal === "SIGKILL") await child.kill();
  else child.signal("SIGSTOP");
  await stage.createWorker({ generators: { local: createWriter() } }).start();
  await eventually(async () => {
    await reader.read();
    expect(reader.text(2).length).toBeGreaterThan(20);
  });
  // It goes on where it was, and its words come too late.
  if (signal === "SIGSTOP") child.signal("SIGCONT");
  await eventually(async () => {
    await reader.read();
    expect(reader.ended()).toBe(textOf(2));
  });
  expect(textOf(1, 5_000).startsWith(reader.text(1))).toBe(true);
  expect(textOf(2).startsWith(reader.text(2))).toBe(true);
  await assertBooks(stage, [item]);
}
