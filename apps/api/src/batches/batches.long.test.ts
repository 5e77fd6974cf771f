import { randomUUID } from "node:crypto";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { afterAll, beforeAll, expect, it } from "vitest";
import { rootKey, type Stage, setStage } from "../../test/stage.ts";

const mib = 2 ** 20;

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

it("takes 10,000 rows of 16 MiB after each other in a bounded memory, and lets others in", async () => {
  const account = await stage.makeAccount(60_000);
  const line = `a garden ${"x".repeat(1_600)}\n`;
  const csv = new TextEncoder().encode(`prompt\n${line.repeat(10_000)}`);
  const send = () =>
    stage.call("/v1/generations/batch?style=modern_minimalist", {
      ...{ account, key: randomUUID(), raw: csv, bearer: rootKey },
      headers: { "content-type": "text/csv" },
    });
  const delay = monitorEventLoopDelay({ resolution: 5 });
  const sizes: number[] = [];
  for (let round = 0; round < 5; round++) {
    if (round === 1) delay.enable();
    const { status, body } = await send();
    expect([status, body.accepted]).toEqual([201, 10_000]);
    sizes.push(process.memoryUsage.rss());
  }
  delay.disable();
  const [first = 0, ...later] = sizes;
  console.log(
    `RSS ${sizes.map((size) => Math.round(size / mib))} MiB, longest block ${delay.max / 1e6} ms`,
  );
  // What one needs is given back, or used again by the next.
  expect(Math.max(...later) - first).toBeLessThan(300 * mib);
}, 120_000);
