import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { inputKey } from "@ducat/storage/blob-key";
import sharp from "sharp";
import { afterEach, beforeEach, expect, it } from "vitest";
import { bundleEntry } from "../../../infra/test/bundle-entry.ts";
import { assertBooks, eventually, type MadeItem, type Stage, setStage } from "../test/stage.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const entry = fileURLToPath(new URL("main.ts", import.meta.url));

let stage: Stage;
let child: ChildProcess;
let output: string;
beforeEach(async () => {
  stage = await setStage("postgres");
});
afterEach(async () => {
  child.kill("SIGKILL");
  await stage.close();
});

/** Runs main.ts itself; the result is how it ends. */
const run = async (env: Record<string, string>) => {
  const { PATH = "" } = process.env;
  const main = await bundleEntry(entry);
  child = spawn(process.execPath, [main], { cwd: root, env: { PATH, ...env } });
  output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      output += chunk;
    });
  }
  return once(child, "exit").then(([code]) => code as number | null);
};
const SECRET_KEYS = "s".repeat(32);
const runHere = () =>
  run({ DATABASE_URL: stage.db.url, DATA_DIR: stage.dir, DUCAT_MODE: "test", SECRET_KEYS });
const says = (text: string) => eventually(() => expect(output).toContain(text));
const usePhoto = async (item: MadeItem) => {
  const photo_key = inputKey(item.accountId, randomUUID());
  const create = { width: 320, height: 240, channels: 3, background: "#487a3c" } as const;
  await stage.blobs.put(photo_key, await sharp({ create }).webp().toBuffer());
  const input = JSON.stringify({ type: "photo", photo_key });
  await stage.db.admin`UPDATE ducat.generations SET input = ${input}::text::json
    WHERE id = ${item.generationId}`;
};

it("restyles a photo without a network, and ends with 0 when it is told to", async () => {
  const item = await stage.makeItem();
  await usePhoto(item);
  await stage.enqueue(item);
  const exited = runHere();
  const [row] = await stage.ended(item);
  expect(row).toMatchObject({ status: "completed", output: { kind: "image" } });
  await assertBooks(stage, [item]);
  child.kill("SIGTERM");
  expect(await exited).toBe(0);
  expect(output).toContain("stopping");
});

it("ends at once at the second signal", async () => {
  const item = await stage.makeItem({}, { params: { simulate: "slow" } });
  await stage.enqueue(item);
  const exited = runHere();
  await eventually(async () => expect((await stage.read(item.itemId)).status).toBe("processing"));
  child.kill("SIGTERM");
  await says("stopping");
  child.kill("SIGTERM");
  expect(await exited).toBe(1);
  expect((await stage.read(item.itemId)).status).toBe("processing");
});

it("says what its environment lacks and does not start", async () => {
  expect(await run({ QUEUE_URL: "amqp://secret" })).toBe(1);
  for (const name of ["DATABASE_URL", "DUCAT_MODE", "QUEUE_URL"]) expect(output).toContain(name);
  expect(output).not.toContain("secret");
});
