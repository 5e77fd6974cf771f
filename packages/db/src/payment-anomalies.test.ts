import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeOffer, makePaid } from "../test/billing-factories.ts";
import { makeAccount } from "../test/factories.ts";
import { refusalOf } from "../test/outcome.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { listAnomalies, reportAnomaly, resolveAnomaly } from "./payment-anomalies.ts";

const database = useDatabase();
const audit = { actor: "root", request_id: "request-1", ip: null };

const make = (kind = "foreign_session") => ({
  ...({ provider: "stripe", mode: "test" } as const),
  ...{ kind, about: `cs_${randomUUID()}`, data: { amount: 900 } },
});
const list = (filter: object = {}) => listAnomalies(database.app, { limit: 100, ...filter });

describe("an anomaly", () => {
  it("is kept once, however often it is told", async () => {
    const anomaly = make();
    const sessions = await openSessions(database.url, "ducat_worker", 5);
    const outcomes = await Promise.all(
      atOnce(sessions, 20, (session) => reportAnomaly(session, anomaly)),
    );
    expect(new Set(outcomes)).toEqual(new Set(["refused"]));
    const kept = (await list()).filter((one) => one.about === anomaly.about);
    expect(kept).toMatchObject([{ ...anomaly, payment_id: null, resolved_at: null }]);
    const other = { ...anomaly, mode: "live" } as const;
    await reportAnomaly(database.worker, other);
    expect((await list()).filter((one) => one.about === anomaly.about)).toHaveLength(2);
  });

  it("of an order that can't be placed is none once its effect has settled a payment", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const about = { ...make("unknown_order"), provider: "sandbox" } as const;
    const paid = await makePaid(database.app, id, { priceId: price.id });
    const effectKey = paid.effect_key ?? "";
    expect(await reportAnomaly(database.worker, { ...about, effectKey })).toBe("known");
    const others = [
      { ...about, effectKey: "another" },
      { ...about, effectKey, mode: "live" },
      { ...about, effectKey, kind: "foreign_session" },
      about,
    ] as const;
    for (const other of others) {
      expect(await reportAnomaly(database.worker, other)).toBe("refused");
    }
  });

  it("is resolved by a person, with an audit line, and then is known", async () => {
    const anomaly = make();
    await reportAnomaly(database.worker, anomaly);
    const [kept] = await list({ open: true });
    expect(kept).toMatchObject(anomaly);
    const resolved = await resolveAnomaly(database.app, kept?.id ?? "", audit);
    expect(resolved).toMatchObject({ resolved_by: "root", resolved_at: expect.any(Date) });
    const again = { ...audit, actor: "another" };
    expect(await resolveAnomaly(database.app, resolved.id, again)).toEqual(resolved);
    expect(await reportAnomaly(database.worker, anomaly)).toBe("known");
    expect((await list({ open: true })).map((one) => one.id)).not.toContain(resolved.id);
    expect((await list({ open: false }))[0]).toEqual(resolved);
    const lines = await database.admin`
      SELECT actor, action FROM ducat.audit_logs WHERE resource_id = ${resolved.id}`;
    expect(lines).toEqual([{ actor: "root", action: "anomaly.resolve" }]);
    expect(await refusalOf(resolveAnomaly(database.app, randomUUID(), audit))).toMatchObject({
      code: "not_found",
    });
  });

  it("is listed newest first, in pages and by kind, and by functions alone", async () => {
    const kind = `kind_${randomUUID()}`;
    const abouts: string[] = [];
    for (const _ of [1, 2, 3]) {
      const anomaly = make(kind);
      await reportAnomaly(database.worker, anomaly);
      abouts.unshift(anomaly.about);
    }
    const first = await list({ kind, limit: 2 });
    const rest = await list({ kind, beforeId: first[1]?.id });
    expect([...first, ...rest].map((one) => one.about)).toEqual(abouts);
    await expect(database.app`SELECT FROM ducat.payment_anomalies`).rejects.toThrow(
      "permission denied",
    );
  });
});
