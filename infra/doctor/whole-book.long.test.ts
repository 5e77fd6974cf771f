import { expect, it } from "vitest";
import { cloneDatabase } from "../../packages/db/test/clone.ts";
import { fillBook } from "./test/book.ts";
import { lookAtBook } from "./test/look-at-book.ts";

it("a clean book of a million entries has nothing wrong, which is known in a minute", async () => {
  const database = await cloneDatabase();
  try {
    await fillBook(database.admin, { accounts: 10_000, lines: 100 });
    const report = await lookAtBook(database);
    expect(report).toMatchObject({ ok: true, findings: [], skipped: [], accounts: 10_000 });
    expect(report.seconds).toBeLessThan(60);
  } finally {
    await database.close();
  }
}, 300_000);
