import { createHash } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { checkStream } from "./checked-stream.ts";

const idleMs = 60;
/** More than two streams hold on their way. */
const bytes = Buffer.alloc(400_000, "a picture");
const whole = { size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
/** What a socket gives, piece by piece. */
const piecewise = () =>
  Readable.from(
    Array.from({ length: 40 }, (_, n) => bytes.subarray(n * 10_000, (n + 1) * 10_000)),
    { objectMode: false },
  );

describe("a stream that is checked", () => {
  test("gives what was stored", async () => {
    expect((await buffer(checkStream(piecewise(), whole, idleMs))).equals(bytes)).toBe(true);
  });

  test("fails at its end when the bytes are others, or not all", async () => {
    const other = { ...whole, sha256: "0".repeat(64) };
    await expect(buffer(checkStream(piecewise(), other, idleMs))).rejects.toThrow("not what");
    const more = { ...whole, size: whole.size + 1 };
    await expect(buffer(checkStream(piecewise(), more, idleMs))).rejects.toThrow("not what");
  });

  test("fails when the source gives nothing more, and closes it", async () => {
    const source = new PassThrough();
    source.write(bytes.subarray(0, 100));
    const reading = buffer(checkStream(source, whole, idleMs));
    await expect(reading).rejects.toThrow("Nothing moved");
    expect(source.destroyed).toBe(true);
  });

  test("waits for a reader who takes its time, at the beginning, on the way and at the end", async () => {
    const checked = checkStream(piecewise(), whole, idleMs);
    const parts: Buffer[] = [];
    await sleep(3 * idleMs);
    for await (const part of checked) {
      parts.push(part);
      // Not with each: the first, some in between, and the last of what is on its way.
      if ([1, 15, 39].includes(parts.length)) await sleep(3 * idleMs);
    }
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  });

  test("closes its source when its reader goes away", async () => {
    const source = new PassThrough();
    source.write(bytes.subarray(0, 100));
    const checked = checkStream(source, whole, 60_000);
    const closed = new Promise((resolve) => source.once("close", resolve));
    for await (const _ of checked) break;
    await closed;
  });
});
