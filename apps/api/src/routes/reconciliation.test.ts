import { startReconciliation } from "@ducat/db/reconciliations";
import { reconcile } from "@ducat/payments/reconcile";
import { ReconciliationPage, RequestedRuns } from "@ducat/types/reconciliation";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const path = "/v1/admin/reconciliation";
const list = async (query = "") =>
  ReconciliationPage.parse((await stage.call(`${path}${query}`)).body);

it("asks for a run that a worker takes, and lists what it found", async () => {
  const since = "2026-11-01T00:00:00.000Z";
  const asked = await stage.call(path, { body: { since } });
  expect(asked.status).toBe(202);
  const [run] = RequestedRuns.parse(asked.body).data;
  expect(run).toMatchObject({ provider: "sandbox", status: "waiting", since, started_at: null });
  const again = await stage.call(path, { body: { provider: "sandbox" } });
  expect(again.body.data).toMatchObject([{ id: run?.id, since }]);
  const provider = stage.deps.payments.providers.get("sandbox");
  const deps = { ...stage.deps.payments, db: stage.db.worker };
  if (provider) await reconcile(deps, provider, { everySeconds: 900 });
  expect((await list("?provider=sandbox")).data).toMatchObject([
    { id: run?.id, status: "clean", differences: [], error: null, facts: 0 },
  ]);
  expect((await list("?status=failed")).data).toEqual([]);
});

it("turns pages, newest first", async () => {
  const begin = (mode: string) =>
    startReconciliation(stage.db.worker, {
      ...{ provider: "zarinpal", mode, everySeconds: 0, leaseSeconds: 60 },
    });
  const [one, two] = [await begin("test"), await begin("live")];
  const page = await list("?provider=zarinpal&limit=1");
  expect(page.data).toMatchObject([{ id: two?.id, status: "running" }]);
  const next = await list(`?provider=zarinpal&limit=1&cursor=${page.next_cursor}`);
  expect(next).toMatchObject({ data: [{ id: one?.id }], next_cursor: null });
});

it("refuses a date to come, a provider that isn't there, and callers without a key", async () => {
  const future = new Date(Date.now() + 3_600_000).toISOString();
  expect((await stage.call(path, { body: { since: future } })).status).toBe(422);
  expect((await stage.call(path, { body: { since: "yesterday" } })).status).toBe(422);
  expect((await stage.call(path, { body: { provider: "stripe" } })).status).toBe(404);
  expect((await stage.call(path, { bearer: null })).status).toBe(401);
  expect((await stage.call(path, { body: {}, bearer: null })).status).toBe(401);
});
