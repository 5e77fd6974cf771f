import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../../../../shared/fixtures");

/** Whether the payloads of real providers are there: third-party data beside the project. */
export const hasFixtures = existsSync(root);

/** A payload byte for byte. */
export const readFixture = (path: string): Buffer => readFileSync(join(root, path));

export const parseFixture = (path: string): Record<string, unknown> =>
  JSON.parse(readFixture(path).toString("utf8"));

/** The files of a folder, as paths that readFixture takes. */
export const listFixtures = (folder: string): string[] =>
  hasFixtures ? readdirSync(join(root, folder)).map((name) => `${folder}/${name}`) : [];

/**
 * An object as the provider has it: all fields of the real one, with ours over them. Without the
 * payloads it has our fields only.
 */
export function shape(path: string, ours: Record<string, unknown>): Record<string, unknown> {
  return { ...(hasFixtures ? parseFixture(path) : {}), ...ours };
}
