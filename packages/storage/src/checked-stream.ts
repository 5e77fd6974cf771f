import { createHash } from "node:crypto";
import { pipeline, type Readable, Transform } from "node:stream";

export type Expected = { size: number; sha256: string | undefined };

/**
 * The same bytes, but the stream fails at its end when they are not those that were stored, and on
 * its way when nothing moves for `idleMs`. Destroying it closes the source as well.
 */
export function checkStream(source: Readable, expected: Expected, idleMs: number): Readable {
  const hash = createHash("sha256");
  let size = 0;
  const checked = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      idle.refresh();
      size += chunk.length;
      hash.update(chunk);
      done(null, chunk);
    },
    flush(done) {
      const isWhole = size === expected.size;
      const isSame = expected.sha256 === undefined || hash.digest("hex") === expected.sha256;
      done(isWhole && isSame ? null : new Error("The blob is not what was stored."));
    },
  });
  const idle = setTimeout(() => {
    checked.destroy(new Error(`Nothing moved within ${idleMs} ms.`));
  }, idleMs);
  // An error reaches whoever reads the stream.
  pipeline(source, checked, () => clearTimeout(idle));
  return checked;
}
