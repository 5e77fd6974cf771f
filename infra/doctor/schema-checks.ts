import { compareWithFiles } from "../../packages/db/src/migrate.ts";
import { readSchemaWithin } from "../../packages/db/src/snapshot.ts";
import { most, type PlaceCheck, type Row, type Tx } from "./check.ts";

/** That the database is the one that this version's files describe. */
export function createSchemaChecks(readExpected: () => Promise<string>): PlaceCheck[] {
  // All three ask the same; whichever is first reads the files.
  let compared: ReturnType<typeof compareWithFiles> | undefined;
  const compare = (tx: Tx) => {
    compared ??= compareWithFiles(tx);
    return compared;
  };
  return [
    {
      check: "migrations",
      title: "the migrations and functions of this version have been applied, as they are",
      async find(tx) {
        const { pending, changed } = await compare(tx);
        const rows = pending.map((name): Row => ({ name, fault: "was not applied" }));
        rows.push(...changed.map((name) => ({ name, fault: "is not what was applied" })));
        return rows.slice(0, most);
      },
    },
    {
      check: "indexes",
      title: "every index exists and was built to its end",
      async find(tx) {
        const { pending, invalidIndexes, missingIndexes } = await compare(tx);
        const rows = invalidIndexes.map((name): Row => ({ name, fault: "is invalid" }));
        // Of migrations that were not applied the indexes are not there yet, and these say so.
        const missing = pending.length > 0 ? [] : missingIndexes;
        rows.push(...missing.map((name) => ({ name, fault: "is missing" })));
        return rows.slice(0, most);
      },
    },
    {
      check: "schema",
      title: "tables, rights and functions are those of this version",
      async find(tx) {
        const { pending, changed } = await compare(tx);
        // What another version's schema differs in is what the migrations have to do.
        if (pending.length + changed.length > 0) return [];
        return await findDrift(tx, await readExpected());
      },
    },
  ];
}

/** Lines that one of the two has and the other has not, under the title of their section. */
async function findDrift(tx: Tx, expected: string): Promise<Row[]> {
  const [should, is] = [splitLines(expected), splitLines(await readSchemaWithin(tx))];
  const rows = [...is].filter((line) => !should.has(line)).map((found): Row => ({ found }));
  const gone = [...should].filter((line) => !is.has(line)).map((line): Row => ({ missing: line }));
  return [...rows, ...gone].slice(0, most);
}

/** Each line with what it is about; the continued lines of a function belong to its first. */
function splitLines(schema: string): Set<string> {
  const lines = new Set<string>();
  for (const section of schema.split(/^# /m)) {
    const [title = "", ...rest] = section.trimEnd().split("\n");
    for (const line of rest.join("\n").split(/\n(?! )/)) if (line) lines.add(`${title}: ${line}`);
  }
  return lines;
}
