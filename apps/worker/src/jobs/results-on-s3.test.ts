import { createHash } from "node:crypto";
import { createS3Blobs } from "@ducat/storage/s3";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type FaultyS3, startFaultyS3 } from "../../../../packages/storage/test/faulty-s3.ts";
import { type S3Server, startS3 } from "../../../../packages/storage/test/s3-server.ts";
import { assertBooks, type MadeItem, type Stage, setStage } from "../../test/stage.ts";

let server: S3Server;
let faulty: FaultyS3;
let stage: Stage;
beforeAll(async () => {
  server = await startS3();
  faulty = await startFaultyS3(server.origin);
  const blobs = createS3Blobs({ ...server.options, endpoint: faulty.origin, timeoutMs: 2_000 });
  stage = await setStage("postgres", { blobs });
});
afterAll(async () => {
  await stage.close();
  await faulty.close();
  await server.close();
});
afterEach(async () => {
  faulty.always(undefined);
  await stage.closeWorkers();
});

async function run(item: MadeItem) {
  await stage.enqueue(item);
  await stage.createWorker().start();
  const [row] = await stage.ended(item);
  faulty.always(undefined);
  await assertBooks(stage, [item]);
  return row;
}

async function assertStored(row: Awaited<ReturnType<typeof run>>) {
  const { key = "", sha256 } = row?.output ?? {};
  const bytes = await createS3Blobs(server.options).readBytes(key, 1e6);
  expect(
    createHash("sha256")
      .update(bytes ?? "")
      .digest("hex"),
  ).toBe(sha256);
}

it("a result is in the bucket before it is paid", async () => {
  const row = await run(await stage.makeItem());
  expect(row).toMatchObject({ status: "completed", captured: 5, attempt: 1 });
  await assertStored(row);
});

it("a result whose write was done, but not answered, is no lost result", async () => {
  const item = await stage.makeItem();
  faulty.next("lost");
  const row = await run(item);
  expect(row).toMatchObject({ status: "completed", attempt: 1 });
  await assertStored(row);
});

it("a store that is away for three tries costs an attempt, and the model is asked only once", async () => {
  const item = await stage.makeItem();
  faulty.next("down", "busy", "broken");
  const row = await run(item);
  expect(row).toMatchObject({ status: "completed", attempt: 2 });
  await assertStored(row);
  expect(stage.provider.submissions(item.itemId).length).toBe(1);
});
