import { expect, it } from "vitest";
import { useDatabase } from "../../packages/db/test/use-database.ts";
import { loadCatalog } from "./load-catalog.ts";

const database = useDatabase();

it("changes nothing when it is loaded again", async () => {
  expect(await database.admin`SELECT FROM ducat.products WHERE is_active`).toHaveLength(7);
  expect(await loadCatalog({ adminUrl: database.url })).toEqual([]);
});
