import { createSandbox } from "../src/sandbox.ts";
import { refresh, runDue } from "../src/sandbox-due.ts";
import { createSandboxKeeper, type SandboxKeeper } from "../src/sandbox-keeper.ts";
import { handleSandboxPage } from "../src/sandbox-page.ts";
import { choose, dispute, refund } from "../src/sandbox-payments.ts";
import { createMemoryStore, type SandboxStore } from "../src/sandbox-store.ts";
import { signWebhook } from "../src/sandbox-webhooks.ts";
import { type Faults, makeFaults } from "./faults.ts";
import { startServer } from "./http-server.ts";
import { type Received, type Rig, startReceiver } from "./rig.ts";

const key = Buffer.from("a secret of at least 24 bytes").toString("base64");
export const sandboxSecret = `whsec_${key}`;
const usd = (amount: number) => ({ amount, currency: "USD" });

/** A store that is as unreliable as a network. */
function makeFaulty(store: SandboxStore, faults: Faults): SandboxStore {
  const call = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const fault = faults.take(name);
    if (fault === "hang") return new Promise<T>(() => {});
    if (fault && !fault.endsWith("_after")) throw new Error(fault);
    const result = await work();
    if (fault) throw new Error(fault);
    return result;
  };
  return {
    get: (id) => call("get", () => store.get(id)),
    put: (document, at) => call("put", () => store.put(document, at)),
    listDue: (now, limit) => call("listDue", () => store.listDue(now, limit)),
    listChanged: (since, limit, after) =>
      call("listChanged", () => store.listChanged(since, limit, after)),
  };
}

export async function startSandboxRig(): Promise<
  Rig & { keeper: SandboxKeeper; pageUrl: string; store: SandboxStore; receiverUrl: string }
> {
  const clock = { now: Date.parse("2026-11-20T12:00:00Z") };
  const now = () => clock.now;
  const receiver = await startReceiver();
  const store = createMemoryStore();
  const faults = makeFaults();
  const settings = { webhookUrl: receiver.url, webhookSecret: sandboxSecret, now };
  // The sandbox's own side works on the store itself; only the adapter's way to it is unreliable.
  const keeper = createSandboxKeeper({ store, ...settings });
  const pages = await startServer(async ({ method, path, raw }) => {
    const init = method === "POST" ? { method, body: new Uint8Array(raw) } : { method };
    const response = await handleSandboxPage(keeper, new Request(`http://localhost${path}`, init));
    const headers = Object.fromEntries(response.headers);
    return { status: response.status, body: await response.text(), headers };
  });
  const make = (changes: Parameters<Rig["remake"]>[0] = {}) =>
    createSandbox({
      store: makeFaulty(store, faults),
      webhookUrl: receiver.url,
      webhookSecret: changes.secret ?? sandboxSecret,
      baseUrl: pages.url,
      mode: changes.mode ?? "test",
      timeoutMs: changes.timeoutMs ?? 5_000,
      now: changes.now ?? now,
    });
  const cards = { succeeds: "succeed", declines: "decline", needs_3ds: "authenticate" } as const;
  const take = async () => {
    while ((await runDue(keeper)) > 0 && (await keeper.listDue(clock.now, 1)).length > 0);
    return receiver.received.splice(0) as Received[];
  };
  return {
    provider: make(),
    remake: make,
    keeper,
    store,
    pageUrl: pages.url,
    receiverUrl: receiver.url,
    clock,
    faults,
    faultKinds: ["hang", "reset", "status_500"],
    calls: { checkout: "put", settle: "get", refund: "put", list: "listChanged", charge: "put" },
    pack: { price: usd(1000) },
    pay: async (ref, { charged, card } = {}) => {
      await choose(keeper, ref, {
        outcome: "success",
        ...(charged && { charged }),
        ...(card && { card: cards[card] }),
      });
    },
    takeDeliveries: take,
    dropDeliveries: async () => {
      await take();
    },
    sign: (body, { secret = sandboxSecret, at = clock.now } = {}) => ({
      raw: Buffer.from(body),
      headers: signWebhook({ id: "evt_1", body }, secret, at),
    }),
    headerOfSignature: "webhook-signature",
    alter: (body, change) => {
      const event = JSON.parse(body);
      if (event.type !== "payment.succeeded") return undefined;
      const { payment } = event.data;
      if (change.amount !== undefined) payment.charged.amount = change.amount;
      if (change.currency !== undefined) payment.charged.currency = change.currency;
      if (change.mode) event.mode = "live";
      if (change.version !== undefined) event.api_version = change.version;
      if (change.store) delete payment.price;
      return JSON.stringify(event);
    },
    refundThere: async (paymentRef, amount) => {
      const paid = usd(1_000_000);
      const key = `dashboard-${amount}-${Math.random()}`;
      const times = { paid, reversedBefore: paid, paidAt: new Date(0), key };
      await refund(keeper, { paymentRef, money: usd(amount), ...times });
    },
    dispute: (ref, status) => dispute(keeper, ref, status),
    plans: {
      small: { price: usd(999), priceRef: "plan_small" },
      large: { price: usd(2999), priceRef: "plan_large" },
    },
    renew: async (ref, isPaid) => {
      const subscription = await keeper.get("subscription", ref);
      await keeper.change("method", subscription.methodRef, (method) => {
        method.card = isPaid ? "succeed" : "decline";
      });
      clock.now = subscription.periodEnd + 1000;
      await refresh(keeper, ref);
    },
    close: async () => {
      await Promise.all([receiver.close(), pages.close()]);
    },
  };
}
