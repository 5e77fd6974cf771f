import { expect, it } from "vitest";
import { givePurchase, letExpire, makeAccount } from "../../../../packages/db/test/factories.ts";
import { useDatabase } from "../../../../packages/db/test/use-database.ts";
import { runTask } from "../../test/run-task.ts";
import { defaultTimings } from "../timings.ts";
import { listAccountTasks } from "./account-tasks.ts";

const database = useDatabase();

it("books what expired while nobody touched the account, in as many batches as it takes", async () => {
  const accounts: string[] = [];
  for (let n = 0; n < 101; n += 1) {
    const { id } = await makeAccount(database.app);
    await givePurchase(database.app, id, 9, { validForSeconds: 60 });
    await letExpire(database.admin, id);
    accounts.push(id);
  }
  const expire = listAccountTasks(defaultTimings).find(({ name }) => name === "expire-credits");
  if (!expire) throw new Error("no such task");
  expect(await runTask(database.worker, expire.run)).toBe(101);
  const rows = await database.admin`
    SELECT DISTINCT available FROM ducat.credit_accounts WHERE account_id = ANY (${accounts})`;
  expect(rows).toEqual([{ available: 3 }]);
});
