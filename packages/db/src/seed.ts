import { readFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";

/**
 * Publishes the presets of seed/styles.json. One that differs from its current version becomes a
 * new version; the same again changes nothing. Returns the ids of the new versions.
 */
export async function seedStyles(url: string): Promise<string[]> {
  const file = join(import.meta.dirname, "../seed/styles.json");
  const styles = JSON.parse(await readFile(file, "utf8"));
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const rows = await sql<{ id: string }[]>`
      SELECT id FROM ducat.publish_styles(${JSON.stringify(styles)}::text::jsonb) AS id`;
    return rows.map((row) => row.id);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
