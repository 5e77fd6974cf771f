import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, type Stage, setStage } from "../test/stage.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { createReadiness } from "./readiness.ts";
import { defaultTimings } from "./timings.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage("postgres");
});
afterAll(() => stage.close());

const log = { info() {}, warn() {}, error() {} };

/** Numbers by their names and labels, as they are exposed. */
async function read(metrics: Metrics): Promise<Record<string, number>> {
  const { text } = await metrics.read();
  const lines = text.split("\n").filter((line) => line && !line.startsWith("#"));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]),
  );
}

it("counts attempts by how they ended, what they took, and the leases that are held", async () => {
  const metrics = createMetrics({ db: stage.db.worker, log });
  const worker = stage.createWorker({ meter: metrics.meter });
  const readReadiness = createReadiness(stage.db.worker, worker);
  expect((await readReadiness()).checks.process.detail).toBe("It is starting.");
  const fine = await stage.makeItem();
  const flaky = await stage.makeItem({ fault: "failed-retryable", times: 1 });
  const bad = await stage.makeItem({ fault: "failed" });
  const held = await stage.makeItem({ hold: true });
  await stage.enqueue(fine, flaky, bad, held);
  await worker.start();
  expect(await readReadiness()).toMatchObject({ ready: true });
  await stage.ended(fine, flaky, bad);
  await eventually(async () => {
    expect(await read(metrics)).toMatchObject({
      'ducat_worker_attempts_total{outcome="completed"}': 2,
      'ducat_worker_attempts_total{outcome="failed"}': 1,
      'ducat_worker_attempts_total{outcome="retry"}': 1,
      'ducat_worker_attempts_total{outcome="lost"}': 0,
      'ducat_worker_attempt_seconds_count{generator="local"}': expect.any(Number),
      'ducat_worker_item_attempts_bucket{le="1"}': 2,
      ducat_worker_item_attempts_count: 3,
      'ducat_worker_up{part="database"}': 1,
    });
  });
  const numbers = await read(metrics);
  expect(numbers.ducat_worker_leases_held).toBeGreaterThanOrEqual(0);
  expect(numbers.process_cpu_seconds_total).toBeGreaterThan(0);
  const answers = 'ducat_worker_generator_seconds_count{generator="local",result="answer"}';
  expect(numbers[answers]).toBeGreaterThanOrEqual(4);
  stage.provider.release();
  await stage.ended(held);
  await worker.close({ graceMs: 1_000 });
  expect((await read(metrics)).ducat_worker_leases_held).toBe(0);
  expect((await readReadiness()).checks.process.detail).toBe("It is stopping.");
});

it("tells of every task of the deployment, whoever does it", async () => {
  const upkeep = { ...defaultTimings.upkeep, pollMs: 10, noteMs: 20 };
  const worker = stage.createWorker({ timings: { sweepMs: 20, upkeep } });
  await worker.start();
  const elsewhere = createMetrics({ db: stage.db.worker, log });
  await eventually(async () => {
    const numbers = await read(elsewhere);
    expect(numbers['ducat_upkeep_every_seconds{task="sweep-items"}']).toBe(0.02);
    expect(numbers['ducat_upkeep_ok_age_seconds{task="sweep-items"}']).toBeGreaterThanOrEqual(0);
    expect(numbers['ducat_upkeep_failures_in_row{task="forget-codes"}']).toBe(0);
    expect(numbers['ducat_upkeep_overdue_seconds{task="forget-audit"}']).toBeGreaterThanOrEqual(0);
  });
});

it("a database that is away is a number too", async () => {
  const away = new Proxy(stage.db.worker, {
    apply: () => Promise.reject(Object.assign(new Error("refused"), { code: "ECONNREFUSED" })),
  });
  const metrics = createMetrics({ db: away, log });
  expect(await read(metrics)).toMatchObject({ 'ducat_worker_up{part="database"}': 0 });
  const readiness = await createReadiness(away, { state: () => "working" })();
  expect(readiness).toMatchObject({ ready: false, checks: { database: { status: "failed" } } });
});

it("a database that hangs hides nothing else, and is asked once", async () => {
  let asked = 0;
  const hanging = new Proxy(stage.db.worker, {
    apply: () => {
      asked += 1;
      return new Promise(() => {});
    },
  });
  const metrics = createMetrics({ db: hanging, log, waitMs: 10 });
  for (let times = 0; times < 3; times++) {
    const numbers = await read(metrics);
    expect(numbers['ducat_worker_up{part="database"}']).toBe(0);
    expect(numbers.process_cpu_seconds_total).toBeGreaterThan(0);
  }
  expect(asked).toBe(1);
});
