import { execFile, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { hostileKeys } from "../test/hostile-keys.ts";
import { inputKey, outputKey } from "./blob-key.ts";
import { createDiskBlobs } from "./disk.ts";

const writer = join(import.meta.dirname, "../test/put-blobs.ts");
const dirs: string[] = [];

async function makeStore() {
  const dir = await mkdtemp(join(tmpdir(), "blobs-"));
  dirs.push(dir);
  return { dir, blobs: createDiskBlobs({ dir }) };
}

afterAll(() => Promise.all(dirs.map((dir) => rm(dir, { recursive: true, force: true }))));

const someKey = () => inputKey(randomUUID(), randomUUID());
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const longAgo = new Date(Date.now() - 3_600_000);
const soon = () => new Date(Date.now() + 60_000);

async function keysOf(entries: AsyncIterable<{ key: string }>) {
  const keys: string[] = [];
  for await (const { key } of entries) keys.push(key);
  return keys.sort();
}

describe("blobs on disk", () => {
  test("puts of one key in parallel leave no draft behind", async () => {
    const { blobs, dir } = await makeStore();
    const [key, bytes] = [someKey(), Buffer.alloc(50_000, 7)];
    await Promise.all(Array.from({ length: 8 }, () => blobs.put(key, bytes)));
    expect(await readdir(join(dir, "tmp"))).toEqual([]);
  });

  test("files that are not ours are not listed", async () => {
    const { blobs, dir } = await makeStore();
    const key = someKey();
    await blobs.put(key, Buffer.of(1));
    await writeFile(join(dir, "blobs", "README"), "not ours");
    expect(await keysOf(blobs.listOlderThan(soon()))).toEqual([key]);
  });

  test("removing a blob leaves no empty folders and no other blob behind", async () => {
    const { blobs, dir } = await makeStore();
    const [account, item] = [randomUUID(), randomUUID()];
    const output = { accountId: account, itemId: item, sha256: "ab", extension: "txt" } as const;
    const first = outputKey({ ...output, attempt: 1 });
    const second = outputKey({ ...output, attempt: 2 });
    await blobs.put(first, Buffer.from("1"));
    await blobs.put(second, Buffer.from("2"));
    await blobs.remove(first);
    expect(await readdir(join(dir, "blobs", account, item))).toEqual(["2"]);
    await blobs.remove(second);
    expect(await readdir(join(dir, "blobs"))).toEqual([]);
  });

  test("a put survives the folders being pruned under it", async () => {
    const { blobs } = await makeStore();
    const account = randomUUID();
    await Promise.all(
      Array.from({ length: 60 }, async () => {
        const key = inputKey(account, randomUUID());
        await blobs.put(key, Buffer.from("x"));
        await blobs.remove(key);
      }),
    );
    expect(await keysOf(blobs.listOlderThan(soon()))).toEqual([]);
  });

  test("a link is never followed out of the folder", async () => {
    const { blobs, dir } = await makeStore();
    const key = someKey();
    await writeFile(join(dir, "secret"), "secret");
    await mkdir(join(dir, "blobs", key, ".."), { recursive: true });
    await symlink(join(dir, "secret"), join(dir, "blobs", key));
    await expect(blobs.readBytes(key, 100)).rejects.toThrow();
    expect(await blobs.has(key)).toBe(false);
    expect(await keysOf(blobs.listOlderThan(soon()))).toEqual([]);
  });

  test("no hostile spelling of a key reaches the disk", async () => {
    const { blobs, dir } = await makeStore();
    expect(hostileKeys.length).toBeGreaterThanOrEqual(60);
    for (const key of hostileKeys) {
      const calls = [
        () => blobs.put(key, Buffer.from("x")),
        () => blobs.read(key),
        () => blobs.readBytes(key, 10),
        () => blobs.has(key),
        () => blobs.remove(key),
        () => blobs.removePrefix(key),
      ];
      for (const call of calls) await expect(call(), key).rejects.toThrow("not a");
    }
    expect(await readdir(dir)).toEqual([]);
  });
});

describe("a disk that fails or a process that dies", () => {
  test("a write that the system cuts short is an error and leaves nothing", async () => {
    const { dir, blobs } = await makeStore();
    const key = someKey();
    // A real limit of the system on the file size stands in for a full disk.
    const script = `ulimit -f 64 && exec "${process.execPath}" --import tsx "${writer}" "${dir}"`;
    const { stdout } = await promisify(execFile)("bash", ["-c", `${script} once ${key} 200000`]);
    expect(JSON.parse(stdout)).toEqual({ failed: "EFBIG" });
    expect(await blobs.has(key)).toBe(false);
    expect(await readdir(join(dir, "tmp"))).toEqual([]);
  });

  test("a killed writer leaves whole blobs, and its drafts can be collected", async () => {
    const { dir, blobs } = await makeStore();
    const child = spawn(process.execPath, ["--import", "tsx", writer, dir, "loop"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let reported = "";
    for await (const chunk of child.stdout) {
      reported += chunk;
      if (reported.split("\n").length > 12) break;
    }
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");

    const done = reported.split("\n").slice(0, -1);
    const stored = await keysOf(blobs.listOlderThan(soon()));
    expect(stored).toEqual(expect.arrayContaining(done));
    for (const key of stored) {
      const bytes = await blobs.readBytes(key, 1_000_000);
      expect(bytes && key.includes(sha256(bytes))).toBe(true);
    }
    await writeFile(join(dir, "tmp", `${randomUUID()}.tmp`), "half");
    expect(await blobs.removeLeftovers(longAgo)).toBe(0);
    expect(await blobs.removeLeftovers(soon())).toBeGreaterThanOrEqual(1);
    expect(await readdir(join(dir, "tmp"))).toEqual([]);
  });
});
