import { randomUUID } from "node:crypto";
import { createSandbox } from "@ducat/billing/sandbox";
import { runDue } from "@ducat/billing/sandbox-due";
import { choose } from "@ducat/billing/sandbox-payments";
import type { SandboxDocument } from "@ducat/billing/sandbox-store";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { useDatabase } from "../../db/test/use-database.ts";
import { createPaymentDeps, createProviders } from "./providers.ts";
import { createSandboxStore, describeSandbox } from "./sandbox-books.ts";
import { checkPaymentSettings, PaymentSettings } from "./settings.ts";

const database = useDatabase();
const log = { info() {}, warn() {}, error() {} };
const secretKeys = ["n".repeat(32), "o".repeat(32)];
const place = (more: object = {}) => ({
  db: database.app,
  mode: "test" as const,
  publicUrl: "https://api.example.com",
  secretKeys,
  ...more,
});
const stripe = {
  STRIPE_SECRET_KEY: "sk_test_abc",
  STRIPE_WEBHOOK_SECRET: ["whsec_0123456789abcdef"],
};
const lemonSqueezy = {
  LEMONSQUEEZY_API_KEY: "k".repeat(40),
  LEMONSQUEEZY_STORE_ID: "1",
  LEMONSQUEEZY_WEBHOOK_SECRET: ["secret"],
};
const zarinpal = { ZARINPAL_MERCHANT_ID: "11111111-2222-3333-4444-555555555555" };

describe("createProviders", () => {
  it("makes those whose keys are there, and the sandbox in test mode only", () => {
    const namesOf = (settings: object, more?: object) => [
      ...createProviders(settings, place(more)).keys(),
    ];
    expect(namesOf({})).toEqual(["sandbox"]);
    const all = { ...stripe, ...lemonSqueezy, ...zarinpal };
    expect(namesOf(all)).toEqual(["stripe", "lemonsqueezy", "zarinpal", "sandbox"]);
    expect(namesOf({}, { mode: "live" })).toEqual([]);
    expect(namesOf(zarinpal, { mode: "live" })).toEqual(["zarinpal"]);
    expect(createPaymentDeps({}, { ...place({ mode: "live" }), log }).sandbox).toBeUndefined();
  });
});

describe("checkPaymentSettings", () => {
  const Both = PaymentSettings.extend({ DUCAT_MODE: z.enum(["test", "live"]) }).superRefine(
    checkPaymentSettings,
  );
  const faultsOf = (settings: object) => {
    const SECRET_KEYS = "s".repeat(32);
    const parsed = Both.safeParse({ DUCAT_MODE: "test", SECRET_KEYS, ...settings });
    return parsed.success ? "" : z.prettifyError(parsed.error);
  };
  const live = { DUCAT_MODE: "live", PUBLIC_URL: "https://api.example.com" };
  const keys = {
    STRIPE_SECRET_KEY: "sk_test_abc",
    STRIPE_WEBHOOK_SECRET: "whsec_0123456789abcdef",
  };

  it("refuses a key of the other mode, either way, without repeating it", () => {
    expect(faultsOf(keys)).toBe("");
    expect(faultsOf({ ...live, ...keys })).toContain("belongs to the other mode");
    const liveKeys = { ...keys, STRIPE_SECRET_KEY: "rk_live_abc" };
    expect(faultsOf(liveKeys)).toContain("→ at STRIPE_SECRET_KEY");
    expect(faultsOf(liveKeys)).not.toContain("rk_live_abc");
    expect(faultsOf({ ...live, ...liveKeys })).toBe("");
  });

  it("refuses half a provider, and names what is missing", () => {
    expect(faultsOf({ STRIPE_SECRET_KEY: "sk_test_abc" })).toContain("→ at STRIPE_WEBHOOK_SECRET");
    expect(faultsOf({ STRIPE_WEBHOOK_SECRET: keys.STRIPE_WEBHOOK_SECRET })).toContain(
      "→ at STRIPE_SECRET_KEY",
    );
    const alone = faultsOf({ LEMONSQUEEZY_API_KEY: "k".repeat(40) });
    expect(alone).toContain("→ at LEMONSQUEEZY_STORE_ID");
    expect(alone).toContain("→ at LEMONSQUEEZY_WEBHOOK_SECRET");
    expect(faultsOf({ ZARINPAL_ACCESS_TOKEN: "t".repeat(20) })).toContain("ZARINPAL_MERCHANT_ID");
  });

  it("lets an adapter talk to another server, in live mode over TLS only", () => {
    const STRIPE_API_URL = "http://127.0.0.1:9";
    expect(faultsOf({ ...keys, STRIPE_API_URL })).toBe("");
    const liveKeys = { ...live, ...keys, STRIPE_SECRET_KEY: "sk_live_abc" };
    expect(faultsOf({ ...liveKeys, STRIPE_API_URL })).toContain("https://");
    expect(faultsOf({ STRIPE_API_URL: "https://user:hunter2@host" })).toContain("is an origin");
  });

  it("needs the public address in live mode", () => {
    expect(faultsOf({ DUCAT_MODE: "live" })).toContain("→ at PUBLIC_URL");
  });
});

describe("the sandbox's books", () => {
  const document = (id: string, subscriptionRef = "one"): SandboxDocument => ({
    ...{ kind: "portal", id, subscriptionRef, returnUrl: "", expiresAt: 1, events: [] },
  });

  it("are the same for the API and a worker, and writing over a newer one is refused", async () => {
    const id = `portal_${randomUUID()}`;
    const [api, worker] = [createSandboxStore(database.app), createSandboxStore(database.worker)];
    const at = (version: number) => ({ version, dueAt: 5, now: 5 });
    expect(await api.get(id)).toBeUndefined();
    expect(await api.put(document(id), at(0))).toBe(true);
    expect(await worker.put(document(id, "two"), at(0))).toBe(false);
    expect(await worker.put(document(id, "two"), at(1))).toBe(true);
    expect(await api.put(document(id, "late"), at(1))).toBe(false);
    expect(await api.get(id)).toEqual({ document: document(id, "two"), version: 2 });
  });

  it("let one of many writers win", async () => {
    const id = `portal_${randomUUID()}`;
    const store = createSandboxStore(database.app);
    const writes = await Promise.all(
      Array.from({ length: 20 }, () =>
        store.put(document(id), { version: 0, dueAt: undefined, now: 1 }),
      ),
    );
    expect(writes.filter(Boolean)).toHaveLength(1);
  });

  it("list what is due, and what has changed though the reader writes on the way", async () => {
    const store = createSandboxStore(database.app);
    const start = Date.now() + 1_000_000;
    const ids = Array.from({ length: 5 }, (_, index) => `portal_z${index}_${randomUUID()}`);
    for (const [index, id] of ids.entries()) {
      const dueAt = index === 0 ? undefined : start - index;
      await store.put(document(id), { version: 0, dueAt, now: start });
    }
    const due = await store.listDue(start - 2, 100);
    expect(due.filter((id) => ids.includes(id))).toEqual([ids[4], ids[3], ids[2]]);
    expect(await store.listDue(start - 2, 1)).toHaveLength(1);
    const seen: string[] = [];
    for (let after: string | undefined; ; after = seen.at(-1)) {
      const page = await store.listChanged(start, 2, after);
      for (const id of page) {
        await store.put(document(id), { version: 1, dueAt: undefined, now: start + 10 });
      }
      seen.push(...page);
      if (page.length < 2) break;
    }
    expect(seen.sort()).toEqual([...ids].sort());
    expect(await store.listChanged(start + 11, 10)).toEqual([]);
  });

  it("take webhooks through a change of the secret key", async () => {
    const sent: { body: string; headers: Record<string, string> }[] = [];
    const send = (async (_url: string, init: RequestInit) => {
      sent.push({ body: String(init.body), headers: init.headers as Record<string, string> });
      return new Response();
    }) as unknown as typeof fetch;
    const [fresh = "", old = ""] = secretKeys;
    const before = createPaymentDeps({}, { ...place({ secretKeys: [old], fetch: send }), log });
    const provider = before.providers.get("sandbox");
    const created = await provider?.createCheckout({
      orderRef: randomUUID(),
      kind: "pack",
      price: { amount: 500, currency: "USD" },
      title: "Ten credits",
      customer: { accountRef: "a" },
      returnUrl: "https://app.example.com/",
    });
    const { sandbox } = before;
    if (!sandbox || !created) throw new Error("the sandbox is there in test mode");
    expect(created.url).toBe(`https://api.example.com/sandbox/checkout/${created.ref}`);
    await choose(sandbox, created.ref, { outcome: "success" });
    await runDue(sandbox);
    const [event] = sent.filter(({ body }) => body.includes(created.ref));
    const parse = (keys: string[]) =>
      createSandbox(describeSandbox(place({ secretKeys: keys }))).parseWebhook?.(
        Buffer.from(event?.body ?? ""),
        event?.headers ?? {},
      );
    expect((await parse([fresh, old]))?.type).toBe("payment.succeeded");
    await expect(parse([fresh])).rejects.toMatchObject({ code: "signature_invalid" });
  });
});
