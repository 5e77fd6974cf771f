import { createHash, randomBytes, randomUUID } from "node:crypto";
import { outputKey } from "../src/blob-key.ts";
import { createDiskBlobs } from "../src/disk.ts";

/** A writer in its own process, so that a test may limit or kill it. */
const [dir = "", mode = "", key = "", size = "0"] = process.argv.slice(2);
const blobs = createDiskBlobs({ dir });

if (mode === "once") {
  const failed = await blobs.put(key, Buffer.alloc(Number(size))).then(
    () => null,
    (error: NodeJS.ErrnoException) => error.code,
  );
  process.stdout.write(JSON.stringify({ failed }));
} else {
  const accountId = randomUUID();
  const writeForEver = async () => {
    for (;;) {
      const bytes = randomBytes(300_000);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const output = { accountId, itemId: randomUUID(), attempt: 1, sha256 };
      const stored = await blobs.put(outputKey({ ...output, extension: "webp" }), bytes);
      process.stdout.write(`${stored.key}\n`);
    }
  };
  await Promise.all([writeForEver(), writeForEver(), writeForEver()]);
}
