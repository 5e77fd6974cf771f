import { randomUUID } from "node:crypto";
import { type ClaimedItem, claimItem, completeItem, failItem } from "@ducat/db/items";
import { saveProgress } from "@ducat/db/progress";
import { order, type Stage } from "./stage.ts";

/** Numbers from 0 to `most - 1` that depend on nothing but the seed (mulberry32). */
export function makeDice(seed: number): (most: number) => number {
  let state = seed;
  return (most) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % most;
  };
}

const syllables = ["la", "🪑", " ", "né", "\n", "گل", "data: ", "x"];

type Account = {
  id: string;
  dice: (most: number) => number;
  /** Between two steps of an item, so that readers see it half done. */
  pace: () => Promise<void>;
};

/** Asks for a generation and works on its items as workers would, at random. */
export async function workOnGeneration(stage: Stage, { id: account, dice, pace }: Account) {
  const areas = Array.from({ length: 1 + dice(3) }, (_, n) => `area ${n}`);
  const { body } = await stage.call("/v1/generations", {
    ...{ account, key: randomUUID(), body: order({ areas }) },
  });
  const cancels = dice(6) === 0;
  const work = body.items.map(async (item: { id: string }, n: number) => {
    if (cancels && n === areas.length - 1) {
      await stage.call(`/v1/generations/${body.id}/cancel`, { account, method: "POST" });
    }
    await workOnItem(stage, { account, generationId: body.id, itemId: item.id, dice, pace });
  });
  await Promise.all(work);
  return body.id as string;
}

type Work = { account: string; generationId: string; itemId: string } & Omit<Account, "id">;

async function workOnItem(stage: Stage, work: Work): Promise<void> {
  const { account, generationId, itemId, dice } = work;
  const { worker } = stage.db;
  const publish = () => stage.deps.bus.publish({ accountId: account, generationId });
  for (let attempt = 0; attempt < 3; attempt++) {
    const item = { accountId: account, generationId, itemId, attempt };
    const claimed = await claimItem(worker, item, 60);
    if (!claimed) return publish();
    publish();
    const text = await write(stage, { ...work, claimed });
    const ending = dice(5);
    if (ending === 0) {
      const failure = { code: "provider_refused", message: "No.", retryable: false };
      await failItem(worker, claimed, { ...failure, delaySeconds: 0 });
      return publish();
    }
    if (ending === 1 && attempt < 2) {
      const failure = { code: "provider_unavailable", message: "Away.", retryable: true };
      await failItem(worker, claimed, { ...failure, delaySeconds: 0 });
      publish();
      continue;
    }
    await completeItem(worker, claimed, { output: { kind: "text", text }, usage: {} });
    return publish();
  }
}

/** Says more and more; readers may see any of it, and in the end all of it or the item's end. */
async function write(stage: Stage, work: Work & { claimed: ClaimedItem }): Promise<string> {
  const { account, generationId, itemId, dice, claimed } = work;
  let text = `${claimed.attempt}:`;
  const steps = 1 + dice(5);
  for (let step = 1; step <= steps; step++) {
    for (let n = dice(30); n >= 0; n--) text += syllables[dice(syllables.length)];
    const row = { accountId: account, generationId, itemId, attempt: claimed.attempt };
    await saveProgress(stage.db.worker, [{ ...row, text, fraction: step / steps }]);
    stage.deps.bus.publish({ accountId: account, generationId });
    await work.pace();
  }
  return text;
}
