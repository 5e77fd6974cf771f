import { randomUUID } from "node:crypto";
import { reportAnomaly } from "@ducat/db/payment-anomalies";
import { Anomaly, AnomalyPage } from "@ducat/types/anomalies";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stage, setStage } from "../../test/stage.ts";

const path = "/v1/admin/anomalies";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

/** Reports one and returns what it is about. */
async function report(kind: string): Promise<string> {
  const about = `cs_${randomUUID()}`;
  const anomaly = { provider: "stripe", mode: "test", kind, about, data: { amount: 900 } } as const;
  await reportAnomaly(stage.db.worker, anomaly);
  return about;
}

const list = async (query: string) => {
  const answer = await stage.call(`${path}?${query}`);
  expect(answer.status).toBe(200);
  return AnomalyPage.parse(answer.body);
};
const resolve = (id: string, more = {}) =>
  stage.call(`${path}/${id}/resolve`, { method: "POST", ...more });

describe("the list of anomalies", () => {
  it("is turned page by page, newest first", async () => {
    const kind = `kind_${randomUUID()}`;
    const abouts = [await report(kind), await report(kind), await report(kind)].reverse();
    const first = await list(`kind=${kind}&limit=2`);
    expect(first.data.map(({ about }) => about)).toEqual(abouts.slice(0, 2));
    expect(first.data[0]).toMatchObject({
      ...{ provider: "stripe", mode: "test", kind, data: { amount: 900 } },
      ...{ payment_id: null, resolved_at: null, resolved_by: null },
    });
    const second = await list(`kind=${kind}&limit=2&cursor=${first.next_cursor}`);
    expect(second.data.map(({ about }) => about)).toEqual(abouts.slice(2));
    expect(second.next_cursor).toBeNull();
  });

  it("holds a hundred on a page, and says that there are more", async () => {
    const kind = `kind_${randomUUID()}`;
    for (let count = 0; count < 101; count += 1) await report(kind);
    const page = await list(`kind=${kind}&limit=100`);
    expect(page.data).toHaveLength(100);
    expect((await list(`kind=${kind}&cursor=${page.next_cursor}`)).data).toHaveLength(1);
  });

  it("is of those that wait for a person, or of those that don't", async () => {
    const kind = `kind_${randomUUID()}`;
    const [done, open] = [await report(kind), await report(kind)];
    const all = await list(`kind=${kind}`);
    await resolve(all.data.find(({ about }) => about === done)?.id ?? "");
    const abouts = async (query: string) =>
      (await list(`kind=${kind}&${query}`)).data.map(({ about }) => about);
    expect(await abouts("open=true")).toEqual([open]);
    expect(await abouts("open=false")).toEqual([done]);
    for (const query of ["open=1", "limit=0", "cursor=x", "account=x", "kind="]) {
      expect((await stage.call(`${path}?${query}`)).status).toBe(422);
    }
  });
});

describe("an anomaly", () => {
  it("is resolved once, with one audit line, and says by whom", async () => {
    const kind = `kind_${randomUUID()}`;
    await report(kind);
    const { id = "" } = (await list(`kind=${kind}`)).data[0] ?? {};
    const answer = await resolve(id);
    expect([answer.status, Anomaly.parse(answer.body)]).toMatchObject([
      200,
      { id, kind, resolved_by: "root", resolved_at: expect.any(String) },
    ]);
    const again = await resolve(id);
    expect([again.status, again.text]).toEqual([200, answer.text]);
    const lines = await stage.db.admin`
      SELECT actor, action, request_id FROM ducat.audit_logs WHERE resource_id = ${id}`;
    const request_id = answer.headers.get("x-request-id");
    expect(lines).toEqual([{ actor: "root", action: "anomaly.resolve", request_id }]);
  });

  it("that isn't there is not found, and nobody without a key gets there", async () => {
    for (const id of [randomUUID(), "x"]) expect((await resolve(id)).status).toBe(404);
    expect((await resolve(randomUUID(), { bearer: null })).status).toBe(401);
    expect((await stage.call(path, { bearer: null })).status).toBe(401);
  });
});
