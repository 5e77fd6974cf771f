import { PublicConfig, Setting, SettingList, settings } from "@ducat/types/config";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Call, type Stage, setStage } from "../../test/stage.ts";

const path = "/v1/admin/config";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
});
afterAll(() => stage.close());

const put = (key: string, body: object, more: Call = {}) =>
  stage.call(`${path}/${key}`, { method: "PUT", body, ...more });
const read = async (key: string) => Setting.parse((await stage.call(`${path}/${key}`)).body);
const reset = (key: string, query = "") =>
  stage.call(`${path}/${key}${query}`, { method: "DELETE" });
const listLines = (key: string) => stage.db.admin`
  SELECT action, metadata FROM ducat.audit_logs
  WHERE resource = 'config' AND resource_id = ${key} ORDER BY id`;

describe("settings", () => {
  it("are listed with what they mean, and rows of our own are not among them", async () => {
    await stage.db.admin`INSERT INTO ducat.admin_config (key, value) VALUES ('round:x', '1')`;
    const { data } = SettingList.parse((await stage.call(path)).body);
    expect(data.map(({ key }) => key)).toEqual(Object.keys(settings));
    expect(data.every(({ description }) => description.length > 10)).toBe(true);
  });

  it("are in force at once, for new accounts and front ends, and taken back", async () => {
    const ask = async () =>
      PublicConfig.parse((await stage.call("/v1/config", { bearer: null })).body);
    expect(await ask()).toEqual({ trial_credits: 3 });
    const set = await put("trial_credits", { value: 7 });
    expect(Setting.parse(set.body)).toMatchObject({ value: 7, is_set: true, updated_by: "root" });
    expect(await ask()).toEqual({ trial_credits: 7 });
    const account = await stage.makeAccount();
    const balance = await stage.call("/v1/credits/balance", { account });
    expect(balance.body.trial_credits).toBe(7);
    const back = await reset("trial_credits");
    expect(Setting.parse(back.body)).toMatchObject({ value: 3, is_set: false, updated_by: null });
    expect(await ask()).toEqual({ trial_credits: 3 });
    expect(await listLines("trial_credits")).toEqual([
      { action: "config.set", metadata: { before: 3, after: 7 } },
      { action: "config.reset", metadata: { before: 7, after: 3 } },
    ]);
    expect((await reset("trial_credits")).status).toBe(200);
    expect(await listLines("trial_credits")).toHaveLength(2);
  });

  it("are refused what doesn't fit them, with the place", async () => {
    for (const value of [89, 1.5, "400", null, {}]) {
      const refused = await put("audit_retention_days", { value });
      expect(refused.status).toBe(422);
      expect(refused.body.errors[0].pointer).toBe("/value");
    }
    expect((await put("audit_retention_days", {})).status).toBe(422);
    expect(await read("audit_retention_days")).toMatchObject({ value: 400, updated_at: null });
  });

  it("of our own are nobody's to read or write", async () => {
    for (const key of ["queue_kind", "round:x", "catalog", "lease:catalog", "nothing"]) {
      expect((await put(key, { value: 1 })).status).toBe(404);
      expect((await reset(key)).status).toBe(404);
      expect((await stage.call(`${path}/${key}`)).status).toBe(404);
      const direct = stage.db.app`
        SELECT ducat.set_setting(${key}, '1', false, NULL, '{"actor": "x"}')`;
      if (key !== "nothing") await expect(direct).rejects.toMatchObject({ code: "DU007" });
    }
  });

  it("are set by one of many who saw the same, however fast they are", async () => {
    const { updated_at } = await read("trial_credits");
    const all = await Promise.all(
      [11, 12, 13, 14].map((value) => put("trial_credits", { value, updated_at })),
    );
    const statuses = all.map(({ status }) => status).sort();
    expect(statuses).toEqual([200, 409, 409, 409]);
    const refused = all.find(({ status }) => status === 409);
    expect(refused?.body).toMatchObject({ code: "invalid_state", reason: "changed" });
    const seen = await read("trial_credits");
    expect((await reset("trial_credits", `?updated_at=${updated_at}`)).status).toBe(409);
    expect((await reset("trial_credits", `?updated_at=${seen.updated_at}`)).status).toBe(200);
  });

  it("are refused a time that no calendar of the database has", async () => {
    const updated_at = "0000-01-01T00:00:00.000Z";
    expect((await put("trial_credits", { value: 9, updated_at })).status).toBe(422);
    expect((await reset("trial_credits", `?updated_at=${updated_at}`)).status).toBe(422);
  });

  it("are first set by one of many who saw that nobody had", async () => {
    const set = (value: number) => put("audit_retention_days", { value, updated_at: null });
    const all = await Promise.all([100, 200, 300].map(set));
    expect(all.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    await reset("audit_retention_days");
  });

  it("have the defaults that the database's functions know", async () => {
    await stage.db.admin`DELETE FROM ducat.admin_config WHERE key = 'trial_credits'`;
    const account = await stage.makeAccount();
    const balance = await stage.call("/v1/credits/balance", { account });
    expect(balance.body.trial_credits).toBe(settings.trial_credits.default);
  });
});
