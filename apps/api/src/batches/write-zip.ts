import { Zip, ZipPassThrough } from "fflate";

export type ZipEntry = { name: string; bytes: AsyncIterable<Uint8Array> | Uint8Array };

/** What a ZIP without the extension for large ones has room for, with some left for its index. */
export const mostZipBytes = 2 ** 32 - 64 * 1024 * 1024;

/**
 * A ZIP of these entries as it grows: one chunk of one of them is in memory at a time. They are
 * stored as they are: pictures don't get smaller, and texts are small.
 */
export async function* writeZip(
  entries: AsyncIterable<ZipEntry>,
): AsyncGenerator<Uint8Array, void> {
  const written: Uint8Array[] = [];
  const failed: Error[] = [];
  const zip = new Zip((error, chunk) => {
    if (error) failed.push(error);
    else written.push(chunk);
  });
  const take = () => {
    const [error] = failed;
    if (error) throw error;
    return written.splice(0);
  };
  for await (const { name, bytes } of entries) {
    const file = new ZipPassThrough(name);
    zip.add(file);
    const chunks = bytes instanceof Uint8Array ? [bytes] : bytes;
    for await (const chunk of chunks) {
      file.push(chunk);
      yield* take();
    }
    file.push(new Uint8Array(), true);
    yield* take();
  }
  zip.end();
  yield* take();
}
