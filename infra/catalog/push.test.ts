import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type StripeServer,
  startStripe,
  stripeKey,
} from "../../packages/billing/test/stripe-server.ts";
import { useDatabase } from "../../packages/db/test/use-database.ts";
import { pushEverywhere } from "./push-everywhere.ts";

const database = useDatabase();
let server: StripeServer;
beforeAll(async () => {
  server = await startStripe(() => Date.parse("2026-11-20T12:00:00Z"));
});
afterAll(() => server.close());

const push = (catalog: string, { dryRun = false, stripe = true } = {}) =>
  pushEverywhere({
    adminUrl: database.url,
    catalog,
    mode: "test",
    dryRun,
    ...(stripe && { stripe: { secretKey: stripeKey, baseUrl: server.url } }),
  });

/** Runs the command in a process of its own, with nothing from outside but what is given. */
function run(env: Record<string, string>, ...args: string[]) {
  const script = fileURLToPath(new URL("push.ts", import.meta.url));
  const empty = "DIRECT_DATABASE_URL CATALOG STRIPE_SECRET_KEY STRIPE_API_URL DUCAT_MODE".split(
    " ",
  );
  return new Promise<{ code: number; output: string }>((resolve) => {
    execFile(
      process.execPath,
      ["--import", "tsx", script, ...args],
      {
        env: {
          PATH: process.env.PATH,
          ...Object.fromEntries(empty.map((name) => [name, ""])),
          DATABASE_URL: database.url,
          ...env,
        },
        timeout: 60_000,
      },
      (error, out, err) =>
        resolve({ code: typeof error?.code === "number" ? error.code : 0, output: out + err }),
    );
  });
}

const readPrices = () => database.admin`
  SELECT p.key, r.provider, r.amount, r.provider_ref
  FROM ducat.prices r JOIN ducat.products p ON p.id = r.product_id
  WHERE r.is_active AND r.provider = 'stripe' ORDER BY p.key, r.amount`;

describe("pnpm catalog push", () => {
  it("stores Stripe's prices beside the general ones, once", async () => {
    const first = await push("letters");
    expect(first.stripe?.length).toBeGreaterThan(0);
    const prices = await readPrices();
    expect(prices.map(({ key, amount }) => [key, amount])).toEqual([
      ["mail_pack", 1500],
      ["pro", 900],
      ["pro", 9000],
    ]);
    for (const { provider_ref, amount } of prices) {
      expect(server.books.get(provider_ref)).toMatchObject({ unit_amount: amount, active: true });
    }
    expect(await push("letters")).toMatchObject({ stripe: [], database: [] });
  });

  it("keeps Stripe's prices when a start without its key loads the same catalog", async () => {
    await push("letters");
    const before = await readPrices();
    expect(await push("letters", { stripe: false })).toMatchObject({ stripe: null, database: [] });
    expect(await readPrices()).toEqual(before);
  });

  it("tells without writing anywhere", async () => {
    await push("letters");
    const writes = server.requests.length;
    const report = await push("copywriter", { dryRun: true });
    expect(report.database.length).toBeGreaterThan(5);
    expect(server.requests.slice(writes).filter(({ method }) => method !== "GET")).toEqual([]);
    expect(await push("letters", { dryRun: true })).toMatchObject({ stripe: [], database: [] });
  });

  it("stores nothing when Stripe can't be asked, and ends the work the next time", async () => {
    await push("letters");
    const before = await readPrices();
    server.faults.add("POST /v1/prices", "reset_after");
    await expect(push("copywriter")).rejects.toMatchObject({ code: "provider_unavailable" });
    expect(await readPrices()).toEqual(before);
    await push("copywriter");
    expect((await readPrices()).map(({ amount }) => amount)).toEqual([999, 9999, 2999]);
    expect(await push("copywriter")).toMatchObject({ stripe: [], database: [] });
  });

  it("is a command, with a report for a person or a machine", async () => {
    await push("letters", { stripe: false });
    const stripe = { STRIPE_SECRET_KEY: stripeKey, STRIPE_API_URL: server.url };
    const dry = await run({ ...stripe, CATALOG: "stylist" }, "push", "--dry-run");
    expect(dry).toMatchObject({ code: 0, output: expect.stringContaining("dry run") });
    expect(dry.output).toContain("  add price basic IRR 50000 month\n");
    const change = '  change product free\n      credits 0 → 2\n      audience null → "user"\n';
    expect(dry.output).toContain(change);
    expect(dry.output).toContain("      - features.letters\n");
    const done = await run({}, "push", "stylist", "--json");
    expect(JSON.parse(done.output)).toMatchObject({ catalog: "stylist", stripe: null });
    expect((await run({}, "push")).output).toBe("catalog stylist\ndatabase: nothing to change\n");
  });

  it("says in one line what is wrong, with exit code 2", async () => {
    const usage = { code: 2, output: expect.stringMatching(/^Usage: .*\n$/) };
    expect(await run({}, "pull")).toMatchObject(usage);
    const live = await run({ STRIPE_SECRET_KEY: "sk_live_x" }, "push", "letters");
    expect(live).toMatchObject({ code: 2, output: expect.stringMatching(/^The Stripe key .*\n$/) });
    const none = await run({ DATABASE_URL: "", DATA_DIR: "/nowhere" }, "push");
    expect(none).toMatchObject({ code: 2, output: expect.stringMatching(/^Set DIRECT_.*\n$/) });
  });
});
