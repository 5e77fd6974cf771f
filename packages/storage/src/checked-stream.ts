import { createHash } from "node:crypto";
import { pipeline, type Readable, Transform } from "node:stream";

export type Expected = { size: number; sha256: string | undefined };

/**
 * The same bytes, but the stream fails at its end when they are not those that were stored, and on
 * its way when its reader has waited for `idleMs`. A reader may take its time: that is a slow
 * client, and no fault of the store. Destroying the stream closes the source as well.
 */
export function checkStream(source: Readable, expected: Expected, idleMs: number): Readable {
  const hash = createHash("sha256");
  let size = 0;
  let isAwaited = true;
  const checked = new Transform({
    read(wanted) {
      isAwaited = true;
      idle.refresh();
      Transform.prototype._read.call(this, wanted);
    },
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      hash.update(chunk);
      done(null, chunk);
      isAwaited = this.readableLength < this.readableHighWaterMark;
      idle.refresh();
    },
    flush(done) {
      clearTimeout(idle);
      const isWhole = size === expected.size;
      const isSame = expected.sha256 === undefined || hash.digest("hex") === expected.sha256;
      done(isWhole && isSame ? null : new Error("The blob is not what was stored."));
    },
  });
  const idle = setTimeout(() => {
    if (isAwaited) checked.destroy(new Error(`Nothing moved within ${idleMs} ms.`));
  }, idleMs);
  // An error reaches whoever reads the stream.
  pipeline(source, checked, () => clearTimeout(idle));
  return checked;
}
