import { readGenerationStream } from "@ducat/db/events";
import type { Signal } from "@ducat/events/bus";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, makeGate, type Stage, setStage } from "../../test/stage.ts";
import type { Generator } from "../generators/generator.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage("postgres");
});
afterAll(() => stage.close());

it("tells who watches an item when its work begins, goes on and ends", async () => {
  const [go, end] = [makeGate(), makeGate()];
  const text = "Dear Ada, thank you.";
  const local: Generator = {
    name: "local",
    async run(_, { report }) {
      await go.opened;
      report?.({ fraction: 0.5, text: "Dear Ada" });
      await end.opened;
      report?.({ text });
      return { status: "completed", output: { kind: "text", text } };
    },
  };
  const { accountId, generationId, itemId } = await stage.makeItem({}, { style: "letter" });
  const heard: Signal[] = [];
  let isHearing = false;
  const stop = stage.bus.subscribe({
    signals: (all) => void heard.push(...all.filter((one) => one.generationId === generationId)),
    back: () => {
      isHearing = true;
    },
  });
  await eventually(() => expect(isHearing).toBe(true));
  /** What is there to read once it is told; what was told before is forgotten. */
  const hear = async () => {
    await eventually(() => expect(heard).toContainEqual({ accountId, generationId }));
    heard.length = 0;
    const from = { generationId, endedNo: 0, limit: 10 };
    return await readGenerationStream(stage.db.app, accountId, from);
  };

  await stage.enqueue({ accountId, generationId, itemId });
  await stage.createWorker({ generators: { local } }).start();
  expect(await hear()).toMatchObject({ live: [{ attempt: 1, chars: 0 }], items: [] });
  go.open();
  await eventually(async () => {
    expect(await hear()).toMatchObject({
      live: [{ attempt: 1, fraction: 0.5, offset: 0, text: "Dear Ada" }],
    });
  });
  end.open();
  await eventually(async () => {
    expect(await hear()).toMatchObject({ live: [], items: [{ id: itemId, output: { text } }] });
  });
  stop();
});
