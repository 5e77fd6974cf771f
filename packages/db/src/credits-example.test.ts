import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { assertInvariants } from "../test/invariants.ts";
import { useDatabase } from "../test/use-database.ts";

const file = join(import.meta.dirname, "../../../docs/credits.md");
const block = /```sql\n([\s\S]*?)```\n```text\n([\s\S]*?)```/g;
const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const time = /"?\d{4}-\d\d-\d\d[ T][\d:.]+(?:\+\d\d(?::\d\d)?|Z)?"?/g;

const database = useDatabase();

it("docs/credits.md says what its statements say", async () => {
  const text = await readFile(file, "utf8");
  const said: string[] = [];
  for (const [, sql = ""] of text.matchAll(block)) said.push(await run(sql));
  expect(said.length).toBeGreaterThan(4);
  const recorded = text.replace(
    block,
    (_, sql: string) => `\`\`\`sql\n${sql}\`\`\`\n\`\`\`text\n${said.shift()}\`\`\``,
  );
  // RECORD=1 writes what the statements say now into the document, for reading before commit.
  if (process.env.RECORD === "1") await writeFile(file, recorded);
  else expect(text).toBe(recorded);
  await assertInvariants(database.admin);
});

async function run(sql: string): Promise<string> {
  const results = await database.admin.unsafe(sql).simple();
  const lists = (Array.isArray(results[0]) ? results : [results]) as unknown as Row[][];
  return lists.map(format).join("\n");
}

type Row = Record<string, unknown>;

function format(rows: Row[]): string {
  const names = Object.keys(rows[0] ?? {});
  const lines = [names, ...rows.map((row) => names.map((name) => toText(row[name])))];
  const widths = names.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  const text = lines.map((line) => line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | "));
  return `${text.map((line) => line.trimEnd()).join("\n")}\n`;
}

function toText(value: unknown): string {
  const text = value !== null && typeof value === "object" ? JSON.stringify(value) : `${value}`;
  return text.replaceAll(uuid, "<id>").replaceAll(time, "<time>");
}
