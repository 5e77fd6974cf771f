import { claimUpkeepTask, finishUpkeepTask, registerUpkeepTasks } from "@ducat/db/upkeep";
import { UpkeepTask, UpkeepTaskList } from "@ducat/types/tasks";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  const task = { about: "Forgets it.", everySeconds: 3_600, isParallel: false };
  await registerUpkeepTasks(stage.db.worker, [
    { ...task, name: "forget-a" },
    { ...task, name: "forget-b" },
    { ...task, name: "sweep-c", isParallel: true },
  ]);
});
afterAll(() => stage.close());

const path = "/v1/admin/tasks";
const ask = (name: string, more = {}) =>
  stage.call(`${path}/${name}/run`, { method: "POST", ...more });

it("lists what workers do, and does what is asked for once it is not being done", async () => {
  const list = UpkeepTaskList.parse((await stage.call(path)).body).data;
  expect(list.map(({ name }) => name)).toEqual(["forget-a", "forget-b", "sweep-c"]);
  expect(list[0]).toMatchObject({ about: "Forgets it.", runs: 0, ok_at: null, error: null });
  const asked = await ask("forget-a");
  expect(asked.status).toBe(202);
  const waiting = UpkeepTask.parse(asked.body);
  expect(waiting).toMatchObject({ state: "waiting", requested_by: "root" });
  const claim = await claimUpkeepTask(stage.db.worker, ["forget-a"], 60);
  const refused = await ask("forget-a");
  expect([refused.status, refused.body.code]).toEqual([409, "invalid_state"]);
  expect(refused.body.reason).toBe("running");
  const end = { outcome: "done", done: 7, everySeconds: 3_600 } as const;
  if (claim) await finishUpkeepTask(stage.db.worker, claim, end);
  const [after] = UpkeepTaskList.parse((await stage.call(path)).body).data;
  expect(after).toMatchObject({ state: "idle", runs: 1, done: 7, requested_at: null });
  expect((await ask("forget-a")).status).toBe(202);
  const lines = await stage.db.admin`
    SELECT actor FROM ducat.audit_logs WHERE action = 'task.run' AND resource_id = 'forget-a'`;
  expect(lines).toEqual([{ actor: "root" }, { actor: "root" }]);
});

it("shows nothing of where a run is", async () => {
  const { text } = await stage.call(path);
  for (const word of ["cursor", "lease", "token"]) expect(text).not.toContain(word);
});

it("refuses names that are none, tasks that are not there, and callers without a key", async () => {
  expect((await ask("Forget_A")).status).toBe(404);
  expect((await ask("nothing-of-ours")).status).toBe(404);
  expect((await ask("forget-b", { bearer: null })).status).toBe(401);
  expect((await stage.call(path, { bearer: null })).status).toBe(401);
});
