import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { conform } from "../test/conformance.ts";
import { hasFixtures, listFixtures, parseFixture, readFixture } from "../test/fixtures.ts";
import { collect, creditKeys, hear, ofKind, order, type Rig } from "../test/rig.ts";
import { startZarinpalRig } from "../test/zarinpal-rig.ts";
import { startZarinpal, type ZarinpalServer, zarinpalMerchant } from "../test/zarinpal-server.ts";
import { createZarinpal } from "./zarinpal.ts";
import { readEnvelope } from "./zarinpal-envelope.ts";

conform("zarinpal", startZarinpalRig);

let rig: Rig & { server: ZarinpalServer };
beforeAll(async () => {
  rig = await startZarinpalRig();
});
afterAll(() => rig.close());

const replay = (call: string, body: unknown, status = 200) =>
  rig.server.replay(`${call}.json`, { status, body });
const refusal = (code: number | string) => ({ data: [], errors: { code, message: "no" } });

async function paidOrder(some = rig) {
  const { created, open } = await order(some);
  some.server.pay(created.ref);
  const [paid] = ofKind(await hear(some, open), "payment.succeeded");
  if (!paid) throw new Error("not paid");
  return { open, paid };
}

describe("request", () => {
  it("always says rial, never verifies by itself, and carries our reference", async () => {
    const customer = { accountRef: "a", email: "a@b.ir", phone: "+989121234567" };
    const { created, open } = await order(rig, { customer });
    expect(created.url).toBe(`${rig.server.url}/pg/StartPay/${created.ref}`);
    const sent = JSON.parse(rig.server.requests.at(-1)?.raw.toString("utf8") ?? "{}");
    expect(sent).toEqual({
      merchant_id: zarinpalMerchant,
      amount: 500_000,
      currency: "IRR",
      description: `50 credits (${open.orderRef})`,
      callback_url: "https://app.example.com/return",
      metadata: {
        mobile: "09121234567",
        email: "a@b.ir",
        order_id: open.orderRef,
        auto_verify: false,
      },
    });
  });

  it("stays within the gateway's bounds, in rials and nothing else", async () => {
    for (const amount of [999, 1_000_000_001]) {
      const price = { amount, currency: "IRR" };
      await expect(order(rig, { price })).rejects.toMatchObject({ code: "validation_failed" });
    }
    for (const currency of ["IRT", "USD"]) {
      const price = { amount: 500_000, currency };
      await expect(order(rig, { price })).rejects.toMatchObject({ code: "validation_failed" });
    }
    await expect(order(rig, { kind: "subscription" })).rejects.toMatchObject({
      code: "validation_failed",
    });
  });

  it("takes no authority of the other mode, and none that is a path", async () => {
    for (const authority of [`S${"0".repeat(35)}`, "../../admin", "", 7, null]) {
      replay("request", { data: { code: 100, authority }, errors: [] });
      await expect(order(rig), String(authority)).rejects.toMatchObject({
        code: "provider_unavailable",
      });
    }
  });

  it("may make two authorities for one order, and each is paid or not by itself", async () => {
    const first = await order(rig, { orderRef: "ord_twice" });
    const second = await order(rig, { orderRef: "ord_twice" });
    expect(second.created.ref).not.toBe(first.created.ref);
    rig.server.pay(second.created.ref);
    expect(creditKeys(await hear(rig, first.open))).toEqual([]);
    expect(creditKeys(await hear(rig, second.open))).toEqual([`z:live:${second.created.ref}`]);
  });
});

describe("verify", () => {
  it("takes 100 and 101 alike, whichever comes first", async () => {
    const { created, open } = await order(rig);
    rig.server.autoVerify(created.ref);
    const first = await hear(rig, open);
    const again = await hear(rig, open);
    expect(creditKeys(first)).toEqual([`z:live:${created.ref}`]);
    expect(creditKeys(again)).toEqual(creditKeys(first));
    expect(first).toMatchObject([{ receiptRef: expect.any(String), money: open.sent }]);
    expect(ofKind(first, "payment.succeeded")[0]?.cardMask).toMatch(/\*/);
  });

  it("believes no status in an address, neither OK nor NOK", async () => {
    const { created, open } = await order(rig);
    const back = (query: string) => rig.provider.readReturn?.(new URLSearchParams(query));
    expect(back(`Authority=${created.ref}&Status=OK`)).toEqual({ ref: created.ref });
    expect(creditKeys(await hear(rig, open))).toEqual([]);
    rig.server.pay(created.ref);
    expect(back(`authority=${created.ref}&status=NOK`)).toEqual({ ref: created.ref });
    expect(creditKeys(await hear(rig, open))).toHaveLength(1);
    for (const query of ["", "Status=OK", "Authority=", "Authority=../x", "Authority=S1"]) {
      expect(back(query), query).toBeUndefined();
    }
  });

  it("keeps an order open that isn't paid yet, and puts strange ones aside", async () => {
    const { open } = await order(rig);
    expect(await hear(rig, open)).toMatchObject([{ kind: "payment.pending" }]);
    const cases = [
      [-50, "amount_mismatch"],
      [-53, "foreign_session"],
      [-54, "unknown_order"],
      [-55, "unknown_order"],
    ] as const;
    for (const [code, detail] of cases) {
      for (const status of [200, 400, 401, 422]) {
        replay("verify", refusal(status === 200 ? code : String(code)), status);
        expect(await hear(rig, open), String(code)).toMatchObject([{ kind: "anomaly", detail }]);
      }
    }
  });

  it("asks nobody about an authority of the other mode or another currency", async () => {
    const { open } = await order(rig);
    const before = rig.server.requests.length;
    const foreign = { ...open, ref: `S${open.ref.slice(1)}` };
    expect(await hear(rig, foreign)).toMatchObject([{ detail: "foreign_session" }]);
    const dollars = { ...open, sent: { amount: 500_000, currency: "USD" } };
    expect(await hear(rig, dollars)).toMatchObject([{ detail: "currency_mismatch" }]);
    expect(rig.server.requests.length).toBe(before);
  });

  it("works in the sandbox, whose authorities begin with S", async () => {
    const server = await startZarinpal(() => rig.clock.now, "S");
    const test = createZarinpal({
      merchantId: zarinpalMerchant,
      mode: "test",
      baseUrl: server.url,
      now: () => rig.clock.now,
    });
    const { created, open } = await order({ ...rig, provider: test });
    server.pay(created.ref);
    expect(creditKeys((await test.settle?.(open)) ?? [])).toEqual([`z:test:${created.ref}`]);
    await server.close();
  });
});

describe("paying back", () => {
  const ask = (
    { open, paid }: Awaited<ReturnType<typeof paidOrder>>,
    over: { amount?: number; before?: number; key?: string } = {},
  ) => ({
    paymentRef: paid.paymentRef,
    ...(over.amount !== undefined && { money: { amount: over.amount, currency: "IRR" } }),
    paid: paid.money,
    reversedBefore: { amount: over.before ?? 0, currency: "IRR" },
    paidAt: new Date(rig.clock.now),
    orderRef: open.orderRef,
    ...(paid.receiptRef !== undefined && { receiptRef: paid.receiptRef }),
    key: over.key ?? "k",
  });
  const called = (text: string) => rig.server.requests.filter(({ path }) => path.includes(text));

  it("reverses a whole young payment, once, and inquiry knows", async () => {
    const order = await paidOrder();
    for (const attempt of [1, 2]) {
      expect(await rig.provider.refund?.(ask(order)), `attempt ${attempt}`).toMatchObject([
        { kind: "reversal.total", reversed: { amount: 500_000, currency: "IRR" } },
      ]);
    }
    expect(await rig.provider.fetchReversals?.(order.paid.paymentRef)).toMatchObject([
      { reversed: { amount: 500_000 }, of: { amount: 500_000 } },
    ]);
    expect(await rig.provider.fetchReversals?.((await paidOrder()).paid.paymentRef)).toEqual([]);
  });

  it("looks whether a reversal went through whose answer got lost", async () => {
    const order = await paidOrder();
    const before = called("reverse").length;
    rig.faults.add("reverse.json", "reset_after");
    await expect(rig.provider.refund?.(ask(order))).rejects.toMatchObject({
      code: "provider_unavailable",
    });
    expect(await rig.provider.refund?.(ask(order))).toMatchObject([{ kind: "reversal.total" }]);
    expect(called("reverse").length).toBe(before + 1);
  });

  it("goes to the panel for a part, an old payment, or when the bank can't reverse", async () => {
    const part = await rig.provider.refund?.(ask(await paidOrder(), { amount: 100_000 }));
    expect(part).toMatchObject([{ reversed: { amount: 100_000 }, of: { amount: 500_000 } }]);
    const old = await paidOrder();
    rig.clock.now += 31 * 60_000;
    const paidAt = new Date(rig.clock.now - 31 * 60_000);
    const whole = await rig.provider.refund?.({ ...ask(old), paidAt });
    expect(whole).toMatchObject([{ reversed: { amount: 500_000 } }]);
    for (const code of [-60, -61, -62, -63]) {
      const order = await paidOrder();
      replay("reverse", refusal(code), 422);
      expect(await rig.provider.refund?.(ask(order)), String(code)).toMatchObject([
        { reversed: { amount: 500_000 } },
      ]);
    }
    const twice = await paidOrder();
    await rig.provider.refund?.(ask(twice, { amount: 100_000 }));
    const more = ask(twice, { amount: 50_000, before: 100_000 });
    expect(await rig.provider.refund?.(more)).toMatchObject([{ reversed: { amount: 150_000 } }]);
  });

  it("refuses what the panel won't do, before or after asking it", async () => {
    const order = await paidOrder();
    for (const amount of [0, -1, 19_999, 500_001, 1.5]) {
      await expect(rig.provider.refund?.(ask(order, { amount }))).rejects.toMatchObject({
        code: "validation_failed",
      });
    }
    const { receiptRef: _gone, ...blind } = ask(order, { amount: 30_000 });
    await expect(rig.provider.refund?.(blind)).rejects.toMatchObject({ code: "invalid_state" });
    const another = { ...ask(order, { amount: 30_000 }), orderRef: "ord_another" };
    await expect(rig.provider.refund?.(another)).rejects.toMatchObject({ code: "invalid_state" });
    rig.server.refusePanel = true;
    await expect(rig.provider.refund?.(ask(order, { amount: 30_000 }))).rejects.toMatchObject({
      code: "invalid_state",
    });
    rig.server.refusePanel = false;
  });

  it("without the panel's token only reverses, and its capabilities say so", async () => {
    const poor = await startZarinpalRig({});
    expect(poor.provider.caps.refunds).toMatchObject({ partial: false, windowMs: 1_800_000 });
    expect(rig.provider.caps.refunds).toMatchObject({ partial: true, min: { amount: 20_000 } });
    const order = await paidOrder(poor);
    await expect(poor.provider.refund?.(ask(order, { amount: 30_000 }))).rejects.toMatchObject({
      code: "invalid_state",
    });
    expect(await poor.provider.refund?.(ask(order))).toMatchObject([{ kind: "reversal.total" }]);
    await poor.close();
  });
});

describe("reconciliation", () => {
  it("verifies what was paid, closes what failed, and leaves the young alone", async () => {
    const paid = await order(rig);
    const failed = await order(rig);
    const waiting = await order(rig);
    rig.server.pay(paid.created.ref);
    rig.server.fail(failed.created.ref);
    rig.clock.now += 3 * 60_000;
    const young = await order(rig);
    const open = [paid.open, failed.open, waiting.open, young.open];
    const inquired = () =>
      rig.server.requests.filter(({ path }) => path.includes("inquiry")).length;
    const before = inquired();
    const facts = await collect(rig.provider.reconcile({ since: new Date(0), open }));
    expect(inquired() - before).toBe(3);
    expect(creditKeys(facts)).toEqual([`z:live:${paid.created.ref}`]);
    expect(ofKind(facts, "payment.failed")).toMatchObject([{ orderRef: failed.open.orderRef }]);
    expect(facts.some(({ orderRef }) => orderRef === young.open.orderRef)).toBe(false);
  });

  it("finds a young payment among the unverified, and reports those that aren't ours", async () => {
    const mine = await order(rig);
    const other = await order(rig);
    rig.server.pay(mine.created.ref);
    rig.server.pay(other.created.ref);
    const facts = await collect(rig.provider.reconcile({ since: new Date(0), open: [mine.open] }));
    expect(creditKeys(facts)).toEqual([`z:live:${mine.created.ref}`]);
    expect(ofKind(facts, "anomaly")).toMatchObject([
      { detail: "unknown_order", effectKey: `z:live:${other.created.ref}` },
    ]);
  });
});

describe.skipIf(!hasFixtures)("answers of ZarinPal (needs ../shared/fixtures)", () => {
  const body = (path: string) => readFixture(`zarinpal/${path}`).toString("utf8");

  it("have a code in every envelope that was seen", () => {
    const refusals = listFixtures("zarinpal/docs").flatMap((path) => {
      const code = /err(-\d+)/.exec(path)?.[1];
      return code ? [[readEnvelope(parseFixture(path))?.code, Number(code)]] : [];
    });
    expect(refusals.length).toBeGreaterThan(6);
    for (const [found, expected] of refusals) expect(found).toBe(expected);
    for (const json of [undefined, null, "x", [], {}, { data: [] }, { errors: ["none"] }]) {
      expect(readEnvelope(json)).toBeUndefined();
    }
  });

  it("to request are taken or refused as recorded", async () => {
    for (const path of [
      "docs/request.ok.json",
      "node-sdk/request.ok.json",
      "php-sdk/request.ok.json",
    ]) {
      replay("request", body(path));
      const authority = /A0\w+/.exec(body(path))?.[0];
      expect((await order(rig)).created.ref, path).toBe(authority);
    }
    for (const path of listFixtures("zarinpal/docs").filter((name) =>
      name.includes("request.err"),
    )) {
      replay("request", readFixture(path).toString("utf8"), 422);
      await expect(order(rig), path).rejects.toMatchObject({ code: "invalid_state" });
    }
  });

  it("to verify are money or not as recorded, with each HTTP status that was seen", async () => {
    const { open } = await order(rig);
    const hear = async (path: string, status: number) => {
      replay("verify", body(path), status);
      const [fact] = (await rig.provider.settle?.(open)) ?? [];
      return fact;
    };
    const good = ["docs/verify.100.json", "docs/verify.101.json", "node-sdk/verify.ok.json"];
    for (const path of [...good, "php-sdk/verify.ok.refid-as-string.json"]) {
      expect(await hear(path, 200)).toMatchObject({
        kind: "payment.succeeded",
        effectKey: `z:live:${open.ref}`,
        receiptRef: expect.stringMatching(/^\d+$/),
      });
    }
    for (const status of [200, 400, 401, 422]) {
      expect(await hear("docs/verify.err-50.json", status)).toMatchObject({
        detail: "amount_mismatch",
      });
      expect(await hear("docs/verify.err-51.json", status)).toMatchObject({
        kind: "payment.pending",
      });
      for (const path of ["err-54.laravel-shape", "err-55.code-as-string"]) {
        expect(await hear(`docs/verify.${path}.json`, status)).toMatchObject({
          detail: "unknown_order",
        });
      }
    }
  });

  it("with any code of the list never become money, and pass or stay as they should", async () => {
    const { open } = await order(rig);
    const codes = Object.keys(parseFixture("zarinpal/error-codes.json")).map(Number);
    expect(codes).toHaveLength(36);
    for (const code of codes.filter((one) => one !== 100 && one !== 101)) {
      replay("verify", refusal(code), 400);
      const facts = await rig.provider.settle?.(open).catch((error) => error.code);
      if ([-50, -53, -54, -55].includes(code)) expect(facts).toMatchObject([{ kind: "anomaly" }]);
      else if (code === -51) expect(facts).toMatchObject([{ kind: "payment.pending" }]);
      else if ([-12, -52].includes(code)) expect(facts, String(code)).toBe("provider_unavailable");
      else expect(facts, String(code)).toBe("invalid_state");
    }
  });

  it("to the other calls are read as recorded", async () => {
    for (const path of [
      "node-sdk/unverified.ok.json",
      "php-sdk/unverified.ok.json",
      "docs/unverified.code-as-string.json",
    ]) {
      replay("unVerified", body(path));
      const facts = await collect(rig.provider.reconcile({ since: new Date(0), open: [] }));
      expect(ofKind(facts, "anomaly").length, path).toBeGreaterThanOrEqual(2);
      expect(creditKeys(facts)).toEqual([]);
    }
    // An inquiry without a status says nothing about money, and nothing happens.
    const { open } = await order(rig);
    rig.clock.now += 3 * 60_000;
    replay("inquiry", body("node-sdk/inquiry.ok.json"));
    replay("unVerified", { data: { code: 100, authorities: [] } });
    expect(await collect(rig.provider.reconcile({ since: new Date(0), open: [open] }))).toEqual([]);
    const { paid, open: bought } = await paidOrder();
    const refund = {
      paymentRef: paid.paymentRef,
      paid: paid.money,
      reversedBefore: { amount: 0, currency: "IRR" },
      paidAt: new Date(rig.clock.now),
      orderRef: bought.orderRef,
      receiptRef: paid.receiptRef ?? "",
      key: "k",
    };
    for (const path of ["node-sdk/reverse.ok.json", "docs/reverse.ok.json"]) {
      replay("reverse", body(path));
      expect(await rig.provider.refund?.(refund), path).toMatchObject([{ kind: "reversal.total" }]);
    }
  });
});
