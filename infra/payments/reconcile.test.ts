import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { order } from "../../packages/billing/test/rig.ts";
import { startStripeRig, stripeSecret } from "../../packages/billing/test/stripe-rig.ts";
import { stripeKey } from "../../packages/billing/test/stripe-server.ts";
import { useDatabase } from "../../packages/db/test/use-database.ts";

const database = useDatabase();
const script = fileURLToPath(new URL("reconcile.ts", import.meta.url));

let rig: Awaited<ReturnType<typeof startStripeRig>>;
beforeAll(async () => {
  rig = await startStripeRig();
  rig.clock.now = Date.now();
});
afterAll(() => rig.close());

/** Runs the command in a process of its own, with nothing from outside but what is given. */
function run(args: string[], more: Record<string, string> = {}) {
  const env = {
    ...{ PATH: process.env.PATH, DIRECT_DATABASE_URL: "", DATABASE_URL: database.url },
    ...{ DUCAT_MODE: "test", SECRET_KEYS: "s".repeat(32), PUBLIC_URL: "" },
    ...{ STRIPE_SECRET_KEY: stripeKey, STRIPE_API_URL: rig.server.url },
    STRIPE_WEBHOOK_SECRET: stripeSecret.padEnd(22, "0"),
    ...{ LEMONSQUEEZY_API_KEY: "", LEMONSQUEEZY_STORE_ID: "", LEMONSQUEEZY_WEBHOOK_SECRET: "" },
    ...{ ZARINPAL_MERCHANT_ID: "", ZARINPAL_ACCESS_TOKEN: "" },
    ...more,
  };
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    const options = { env, timeout: 60_000 };
    execFile(process.execPath, ["--import", "tsx", script, ...args], options, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });
}

describe("pnpm reconcile", () => {
  it("prints a clean report and ends with 0", async () => {
    const { code, out, err } = await run(["--provider", "sandbox", "--since", "7d", "--json"]);
    expect([code, err]).toEqual([0, ""]);
    expect(out.trim().split("\n")).toHaveLength(1);
    expect(JSON.parse(out)).toMatchObject({
      status: "clean",
      runs: [{ provider: "sandbox", status: "clean", facts: 0, differences: [], error: null }],
    });
  });

  it("ends with 1 when something differs, and says what", async () => {
    const { created } = await order(rig);
    await rig.pay(created.ref);
    const { code, out, err } = await run(["--provider", "stripe", "--since", "24h"]);
    expect([code, err.trim()]).toEqual([1, "stripe: reconciled, and not clean"]);
    expect(JSON.parse(out).runs[0].differences).toMatchObject([
      { kind: "unknown_order", provider: "stripe", repaired: false },
    ]);
  });

  it("ends with 2 when a provider can't be asked, and still reports the others", async () => {
    const { code, out } = await run([], { STRIPE_API_URL: "http://127.0.0.1:1" });
    expect(code).toBe(2);
    const { status, runs } = JSON.parse(out);
    expect(status).toBe("failed");
    expect(runs).toMatchObject([
      { provider: "stripe", status: "failed", error: expect.stringContaining("unavailable") },
      { provider: "sandbox", status: "clean" },
    ]);
  });

  it("ends with 2 and clear words when it can't begin", async () => {
    const refusals = [
      await run(["--provider", "paypal"]),
      await run(["--since", "yesterday"]),
      await run(["--provider", "zarinpal"]),
      await run([], { SECRET_KEYS: "short" }),
    ];
    expect(refusals.map(({ code, out, err }) => [code, out, err.trim()])).toEqual([
      [2, "", expect.stringContaining("--provider is")],
      [2, "", expect.stringContaining("--since is")],
      [2, "", "There is no zarinpal here."],
      [2, "", expect.stringContaining("SECRET_KEYS")],
    ]);
  });
});
