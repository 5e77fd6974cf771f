import { expect, it } from "vitest";
import type { Db } from "../../packages/db/src/connect.ts";
import { makeEmptyDatabase } from "../../packages/db/test/empty-database.ts";
import { useDatabase } from "../../packages/db/test/use-database.ts";
import { findRole } from "./find-role.ts";

const database = useDatabase();

/** The role that a login of this name would look as. */
const findAs = (login: string) =>
  database.admin.begin(async (tx) => {
    await tx.unsafe(`SET LOCAL SESSION AUTHORIZATION ${login}`);
    return await findRole(tx as unknown as Db);
  });

it("looks as the owner where it may, else as a worker, and as nobody else", async () => {
  expect(await findRole(database.admin)).toBe("ducat_owner");
  expect(await findAs("ducat_worker")).toBe("ducat_worker");
  await expect(findAs("ducat_app")).rejects.toThrow("must be a member of ducat_owner");
});

it("refuses a database that was never migrated, in words", async () => {
  const { admin } = await makeEmptyDatabase();
  await expect(findRole(admin as unknown as Db)).rejects.toThrow("has been migrated");
});
