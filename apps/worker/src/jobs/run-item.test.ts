import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { cancelGeneration } from "@ducat/db/generations";
import { inputKey } from "@ducat/storage/blob-key";
import { createImageIntake } from "@ducat/storage/image-intake";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { describeQueues } from "../../../../infra/test/describe-queues.ts";
import {
  assertBooks,
  eventually,
  type MadeItem,
  makeGate,
  type Stage,
  setStage,
} from "../../test/stage.ts";
import type { Generator, Outcome, Task } from "../generators/generator.ts";
import type { At, Point } from "../points.ts";

describeQueues("run-item", (kind, isWhole) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage(kind);
  });
  afterAll(() => stage.close());
  afterEach(async () => {
    await stage.closeWorkers();
    stage.lines.length = 0;
  });

  const work = async (overrides?: Parameters<Stage["createWorker"]>[0]) => {
    const worker = stage.createWorker(overrides);
    await worker.start();
    return worker;
  };
  const run = async (item: MadeItem, overrides?: Parameters<Stage["createWorker"]>[0]) => {
    await stage.enqueue(item);
    await work(overrides);
    const [row] = await stage.ended(item);
    await assertBooks(stage, [item]);
    return row;
  };
  const cancel = ({ accountId, generationId }: MadeItem) =>
    cancelGeneration(stage.db.app, accountId, generationId);
  const submissions = ({ itemId }: MadeItem) => stage.provider.submissions(itemId).length;
  const logged = () => JSON.stringify(stage.lines);

  /** Holds every item at a point until the gate opens. */
  const holdAt = (point: Point) => {
    const gate = makeGate();
    let held = 0;
    const at: At = async (name) => {
      if (name !== point) return;
      held += 1;
      await gate.opened;
    };
    return { at, open: gate.open, reached: () => eventually(() => expect(held).toBe(1)) };
  };
  const made = (outcome: Outcome | ((task: Task) => Outcome)): { local: Generator } => ({
    local: {
      name: "made",
      run: async (task) => (typeof outcome === "function" ? outcome(task) : outcome),
    },
  });

  it("stores the picture and its thumbnail, then captures the price", async () => {
    const item = await stage.makeItem({ polls: 2 });
    const row = await run(item);
    expect(row).toMatchObject({ status: "completed", captured: 5, attempt: 1 });
    expect(row?.output).toMatchObject({ kind: "image", type: "image/jpeg", width: 64, height: 64 });
    expect(row?.output?.key).toMatch(`${item.accountId}/${item.itemId}/1/${row?.output?.sha256}`);
    const { key = "", sha256, type } = row?.output?.thumbnail ?? {};
    expect([key, type]).toEqual([
      ...[`${item.accountId}/${item.itemId}/1/thumbnails/${sha256}.webp`, "image/webp"],
    ]);
    const rows = await stage.db.admin`
      SELECT sha256 FROM ducat.blobs WHERE key = ${key} AND purpose = 'thumbnail'
        AND generation_id = ${item.generationId}`;
    expect([...rows]).toEqual([{ sha256 }]);
  });

  it("tries a flaky model again, then captures the price", async () => {
    const item = await stage.makeItem({ fault: "failed-retryable" });
    const row = await run(item);
    expect(row).toMatchObject({ status: "completed", attempt: 2, failures: 1 });
    expect(submissions(item)).toBe(2);
  });

  it.each(["poll-hang", "poll-500"] as const)(
    "asks again by the stored id when the model does not answer (%s), and submits once",
    async (fault) => {
      const item = await stage.makeItem({ fault, times: 2 });
      const row = await run(item);
      expect(row).toMatchObject({ status: "completed", attempt: 3, failures: 0 });
      expect(submissions(item)).toBe(1);
    },
  );

  it("drops the job of an item that was canceled while it was pending", async () => {
    const item = await stage.makeItem();
    await cancel(item);
    expect(await run(item)).toMatchObject({ status: "canceled", attempt: 0 });
    expect(submissions(item)).toBe(0);
  });

  it("runs an item once however often its job is there", async () => {
    const item = await stage.makeItem({ hold: true });
    const add = (id: string, attempt: number) =>
      stage.queue.add("run-item", [{ id, data: { ...item, attempt } }]);
    for (const n of [0, 1, 2]) await add(`again-${n}`, 0);
    await work();
    await eventually(() => expect(stage.provider.polls(item.itemId)).toBeGreaterThan(0));
    // It knows of the claim, and comes while the lease is good.
    await add("early", 1);
    await eventually(async () => {
      expect(await stage.queue.counts("run-item")).toMatchObject({ waiting: 0, active: 1 });
    });
    stage.provider.release(item.itemId);
    const [row] = await stage.ended(item);
    expect(row).toMatchObject({ status: "completed", attempt: 1 });
    await add("late", 1);
    await eventually(async () => {
      expect(await stage.queue.counts("run-item")).toMatchObject({ waiting: 0, active: 0 });
    });
    expect(submissions(item)).toBe(1);
    await assertBooks(stage, [item]);
  });

  // What follows happens after the queue has handed the item over, whatever kind it is.
  if (!isWhole) return;

  it("pays a final failure back at once, to the same grants with their expiry", async () => {
    const row = await run(await stage.makeItem({ fault: "failed", times: 9 }));
    expect(row).toMatchObject({ status: "failed", error_code: "refused", attempt: 1 });
  });

  it("gives up after as many failures as the style allows tries", async () => {
    const item = await stage.makeItem({ fault: "failed-retryable", times: 9 });
    const row = await run(item);
    expect(row).toMatchObject({ status: "failed", attempt: 3 });
    expect(submissions(item)).toBe(3);
  });

  it("submits again under the same key when the answer to the first was lost", async () => {
    const item = await stage.makeItem({ fault: "submit-500", idempotent: true });
    const row = await run(item);
    expect(row).toMatchObject({ status: "completed", attempt: 2, failures: 1 });
    expect(submissions(item)).toBe(1);
  });

  it.each(["image-html", "image-truncated", "image-huge"] as const)(
    "sells no broken picture (%s)",
    async (fault) => {
      const [once, ever] = await Promise.all([
        stage.makeItem({ fault }),
        stage.makeItem({ fault, times: 9 }),
      ]);
      expect(await run(once)).toMatchObject({ status: "completed", attempt: 2 });
      expect(await run(ever)).toMatchObject({ status: "failed", error_code: "bad_output" });
    },
  );

  it("submits nothing when the cancel came while the input was loaded", async () => {
    const item = await stage.makeItem();
    const { at, open, reached } = holdAt("after-input");
    await stage.enqueue(item);
    await work({ at });
    await reached();
    await cancel(item);
    open();
    const [row] = await stage.ended(item);
    expect(row).toMatchObject({ status: "canceled", attempt: 1 });
    expect(submissions(item)).toBe(0);
    await assertBooks(stage, [item]);
  });

  it("stops a generator that has asked no provider yet when the cancel comes", async () => {
    const item = await stage.makeItem();
    await stage.enqueue(item);
    let sawAbort = false;
    const run: Generator["run"] = async (_, { signal }) => {
      await sleep(60_000, undefined, { signal }).catch(() => {
        sawAbort = true;
      });
      return { status: "unknown", askAgainInMs: 0 };
    };
    await work({ generators: { local: { name: "slow", run } } });
    await eventually(async () => {
      expect((await stage.read(item.itemId)).status).toBe("processing");
    });
    await cancel(item);
    const [row] = await stage.ended(item);
    expect(row).toMatchObject({ status: "canceled", attempt: 1 });
    expect(sawAbort).toBe(true);
    await assertBooks(stage, [item]);
  });

  it.each([
    [{ hold: true }, "completed"],
    [{ hold: true, fault: "failed", times: 9 }, "canceled"],
  ] as const)("lets the provider decide when it has the work: %o ends %s", async (wishes, end) => {
    const item = await stage.makeItem(wishes);
    await stage.enqueue(item);
    await work();
    await eventually(() => expect(stage.provider.polls(item.itemId)).toBeGreaterThan(0));
    await cancel(item);
    const before = stage.provider.polls(item.itemId);
    // Over at least one heartbeat.
    await eventually(() => expect(stage.provider.polls(item.itemId)).toBeGreaterThan(before + 20));
    stage.provider.release(item.itemId);
    const [row] = await stage.ended(item);
    expect(row?.status).toBe(end);
    await assertBooks(stage, [item]);
  });

  /** Makes an item's input the photo of an account, which is stored if there are bytes. */
  const usePhoto = async (item: MadeItem, accountId: string, bytes?: Buffer) => {
    const photo_key = inputKey(accountId, randomUUID());
    if (bytes) await stage.blobs.put(photo_key, bytes);
    const input = JSON.stringify({ type: "photo", photo_key });
    await stage.db.admin`UPDATE ducat.generations SET input = ${input}::text::json
      WHERE id = ${item.generationId}`;
  };

  it("works on an uploaded photo, and on one by its address", async () => {
    const photo = await sharp({
      create: { width: 8, height: 8, channels: 3, background: "#a50" },
    })
      .webp()
      .toBuffer();
    const uploaded = await stage.makeItem();
    await usePhoto(uploaded, uploaded.accountId, photo);
    const url = `${stage.provider.url}/photos/good`;
    const named = await stage.makeItem({}, { input: { type: "photo", photo_url: url } });
    const seen = new Map<string, Task["input"]>();
    const generators = made(({ itemId, input }) => {
      seen.set(itemId, input);
      return { status: "completed", output: { ...picture, bytes: photo } };
    });
    await stage.enqueue(uploaded, named);
    await work({ generators });
    await stage.ended(uploaded, named);
    await assertBooks(stage, [uploaded, named]);
    expect(seen.get(uploaded.itemId)).toEqual({ type: "photo", photo });
    const fetched = seen.get(named.itemId);
    expect(fetched?.type === "photo" && (await sharp(fetched.photo).metadata()).width).toBe(64);
  });

  it.each([
    ["gone", "photo_unreachable"],
    ["page", "photo_unreachable"],
    ["cut", "validation_failed"],
  ])("refuses a photo address that leads to a %s photo: %s", async (name, code) => {
    const url = `${stage.provider.url}/photos/${name}?canary`;
    const item = await stage.makeItem({}, { input: { type: "photo", photo_url: url } });
    expect(await run(item)).toMatchObject({ status: "failed", error_code: code, attempt: 1 });
    expect(logged()).not.toContain("canary");
  });

  it("refuses a photo of another account and one that is gone", async () => {
    const [other, thief, late] = await Promise.all([1, 2, 3].map(() => stage.makeItem()));
    if (!other || !thief || !late) throw new Error("three items");
    await usePhoto(thief, other.accountId, Buffer.from("secret"));
    expect(await run(thief)).toMatchObject({ status: "failed", error_code: "internal_error" });
    await usePhoto(late, late.accountId);
    expect(await run(late)).toMatchObject({ status: "failed", error_code: "not_found" });
  });

  it("ends an item at its deadline when no provider has it", async () => {
    const item = await stage.makeItem();
    const { at } = holdAt("after-input");
    await shorten(item, 1);
    const row = await run(item, { at });
    expect(row).toMatchObject({ status: "failed", error_code: "deadline_exceeded", attempt: 1 });
  });

  it("asks a provider that has the item once more after the deadline", async () => {
    const item = await stage.makeItem({ hold: true });
    await shorten(item, 1);
    await stage.enqueue(item);
    await work();
    await eventually(async () => expect((await stage.read(item.itemId)).attempt).toBe(2));
    stage.provider.release(item.itemId);
    const [row] = await stage.ended(item);
    expect(row).toMatchObject({ status: "completed", attempt: 2 });
    expect(submissions(item)).toBe(1);
    await assertBooks(stage, [item]);
  });
  const shorten = (item: MadeItem, seconds: number) => stage.db.admin`
    UPDATE ducat.generations SET deadline_at = clock_timestamp() + make_interval(secs => ${seconds})
    WHERE id = ${item.generationId}`;

  it("says nothing about what broke, to the caller or to the log", async () => {
    const item = await stage.makeItem({}, { input: { type: "text", prompt: "canary" } });
    const generators = made((task) => {
      throw new Error(`could not draw ${JSON.stringify(task.input)}`);
    });
    const row = await run(item, { generators });
    expect(row).toMatchObject({ status: "failed", error_code: "internal_error", attempt: 3 });
    const [{ error_message } = {}] = await stage.db.admin`
      SELECT error_message FROM ducat.generation_items WHERE id = ${item.itemId}`;
    expect(error_message).toBe("Something went wrong on our side.");
    expect(logged()).toContain("an attempt broke");
    expect(logged()).not.toContain("canary");
  });

  it("asks the provider again, and pays it once, when the disk was full", async () => {
    let failures = 2;
    const put: typeof stage.blobs.put = (key, bytes) => {
      if (failures-- > 0) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
      return stage.blobs.put(key, bytes);
    };
    const item = await stage.makeItem();
    const row = await run(item, { blobs: { ...stage.blobs, put } });
    expect(row).toMatchObject({ status: "completed", attempt: 3, failures: 0 });
    expect(submissions(item)).toBe(1);
  });

  it("makes it small, upright as it is, at 320 pixels on the long side", async () => {
    const create = { width: 300, height: 800, channels: 3, background: "#a50" } as const;
    const bytes = await sharp({ create }).png().toBuffer();
    const item = await stage.makeItem();
    const { width, height } = create;
    const output = { kind: "image", type: "image/png", width, height, bytes } as const;
    const row = await run(item, { generators: made({ status: "completed", output }) });
    const thumbnail = row?.output?.thumbnail;
    expect(thumbnail).toMatchObject({ width: 120, height: 320 });
    const small = await stage.blobs.readBytes(thumbnail?.key ?? "", 100_000);
    expect(await sharp(small).metadata()).toMatchObject({
      ...{ format: "webp", width: 120, height: 320 },
    });
  });

  const noRoom: typeof stage.blobs.put = (key, bytes) => {
    if (key.includes("/thumbnails/")) throw Object.assign(new Error("full"), { code: "ENOSPC" });
    return stage.blobs.put(key, bytes);
  };
  it.each([
    ["made", () => ({ imageIntake: createImageIntake({ maxPixels: 100 }) })],
    ["stored", () => ({ blobs: { ...stage.blobs, put: noRoom } })],
  ])("sells a picture whose thumbnail can't be %s without one", async (_, overrides) => {
    const item = await stage.makeItem();
    const row = await run(item, overrides());
    expect(row).toMatchObject({ status: "completed", captured: 5, attempt: 1 });
    expect(row?.output).toMatchObject({ kind: "image", width: 64 });
    expect(row?.output?.thumbnail).toBeUndefined();
    expect(logged()).toContain("a result has no thumbnail");
  });

  it("leaves no file of a picture whose item is not its own any more", async () => {
    const item = await stage.makeItem();
    const put: string[] = [];
    const keep: typeof stage.blobs.put = async (key, bytes) => {
      put.push(key);
      return await stage.blobs.put(key, bytes);
    };
    const at: At = async (point) => {
      if (point !== "after-blob" || put.length > 2) return;
      await stage.db.admin`UPDATE ducat.generation_items SET attempt_token = gen_random_uuid(),
        lease_until = clock_timestamp() WHERE id = ${item.itemId}`;
    };
    const row = await run(item, { at, blobs: { ...stage.blobs, put: keep } });
    expect(row).toMatchObject({ status: "completed", attempt: 2 });
    const there = await Promise.all(put.map((key) => stage.blobs.has(key)));
    expect(there).toEqual([false, false, true, true]);
  });

  it("keeps a text that PostgreSQL could not, and pays the rest of the price back", async () => {
    const item = await stage.makeItem({}, { style: "product_description" });
    const output = { kind: "text", text: " a\0 sturdy \ud800pot\n" } as const;
    await stage.enqueue(item);
    await work({ generators: made({ status: "completed", output, actualCost: 2 }) });
    const [row] = await stage.ended(item);
    expect(row).toMatchObject({ status: "completed", captured: 2, refunded: 3 });
    expect(row?.output).toEqual({ kind: "text", text: "a sturdy \ufffdpot" });
  });

  it("writes nothing for an item that another worker has claimed meanwhile", async () => {
    const item = await stage.makeItem({ hold: true });
    await stage.enqueue(item);
    await work();
    await eventually(() => expect(stage.provider.polls(item.itemId)).toBeGreaterThan(0));
    await stage.db.admin`UPDATE ducat.generation_items SET attempt_token = gen_random_uuid(),
      attempt = attempt + 1 WHERE id = ${item.itemId}`;
    await eventually(() => {
      expect(stage.lines).toContainEqual(expect.objectContaining({ why: "lost" }));
    });
    expect(await stage.read(item.itemId)).toMatchObject({ status: "processing", attempt: 2 });
    stage.provider.release(item.itemId);
    // Its lease has lapsed by now: nobody renews it under the new token.
    expect((await stage.ended(item))[0]).toMatchObject({ status: "completed", attempt: 3 });
    expect(submissions(item)).toBe(1);
    await assertBooks(stage, [item]);
  });
});

const picture = { kind: "image", type: "image/webp", width: 8, height: 8 } as const;
