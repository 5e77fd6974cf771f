import { readFile } from "node:fs/promises";
import { Difference } from "@ducat/types/reconciliation";
import { describe, expect, it } from "vitest";
import type { Capabilities } from "../src/provider.ts";
import { stripeEventTypes } from "../src/stripe-facts.ts";
import { startLemonRig } from "./lemon-squeezy-rig.ts";
import { startSandboxRig } from "./sandbox-rig.ts";
import { startStripeRig } from "./stripe-rig.ts";
import { startZarinpalRig } from "./zarinpal-rig.ts";

/** In the order of the table's columns. */
const starts = [startStripeRig, startLemonRig, startZarinpalRig, startSandboxRig];

/** How a cell of a row begins by what a provider can do. */
const cells: Record<string, (caps: Capabilities) => string> = {
  Subscriptions: ({ subscriptions }) => (subscriptions === "native" ? "its own" : "ours"),
  "Charge while the customer is away": ({ offSession }) =>
    offSession === "saved_method" ? "saved card" : "no",
  "End a subscription at once": ({ cancelNow }) => (cancelNow ? "yes" : "no"),
  "Change of plan": ({ planChange }) => (planChange === "immediate" ? "yes" : "from the next"),
  Portal: ({ portal }) => (portal === "none" ? "none" : "yes"),
  "Refund by us": ({ refunds: { partial, min } }) =>
    partial && !min ? "any part" : `with the token any part from ${format(min?.amount)} rials`,
  Disputes: ({ disputes }) =>
    ({ events: "told", as_refund: "come as refunds", none: "never told" })[disputes],
  "Our key makes a repeat harmless": ({ outgoingIdempotency }) =>
    outgoingIdempotency ? "yes" : "no",
  Tax: ({ merchantOfRecord }) => (merchantOfRecord ? "theirs" : ""),
  Currencies: ({ currencies }) => nameCurrencies(currencies),
};
const format = (amount: number | undefined) => new Intl.NumberFormat("en").format(amount ?? 0);

function nameCurrencies(currencies: readonly string[]): string {
  if (currencies.length === 1) return "rial";
  return currencies.includes("IRR") ? "all" : "all but the rial";
}

describe("docs/payments.md", async () => {
  const file = new URL("../../../docs/payments.md", import.meta.url);
  const text = await readFile(file, "utf8");
  const readRows = (heading: string) => {
    const section = text.split(/^##+ /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
    const lines = section.split("\n").filter((line) => line.startsWith("| "));
    return lines.map((line) =>
      line
        .split("|")
        .map((cell) => cell.trim())
        .slice(1, -1),
    );
  };

  it("tells of each event of Stripe that an endpoint is to send, once, and of no other", () => {
    const told = readRows("Stripe").flatMap(([cell = ""]) => readNames(cell));
    expect([...told].sort()).toEqual([...stripeEventTypes].sort());
  });

  it("tells of each kind of difference, once, and of no other", () => {
    const told = readRows("Reconciliation").flatMap(([cell = ""]) => readNames(cell));
    expect([...told].sort()).toEqual([...Difference.shape.kind.options].sort());
  });

  it("says of each provider what its adapter can do", async () => {
    const rigs = await Promise.all(starts.map((start) => start()));
    const rows = readRows("What each cannot do").filter(([name = ""]) => name in cells);
    expect(rows.map(([name]) => name)).toEqual(Object.keys(cells));
    for (const [name = "", ...told] of rows) {
      for (const [column, { provider }] of rigs.entries()) {
        const expected = cells[name]?.(provider.caps) ?? "";
        const cell = told[column] ?? "";
        expect([provider.name, name, cell.slice(0, expected.length)]).toEqual([
          ...[provider.name, name, expected],
        ]);
      }
    }
    await Promise.all(rigs.map(({ close }) => close()));
  });
});

/** The names in a cell; `.updated` is the same thing's as the one before it. */
function readNames(cell: string): string[] {
  let thing = "";
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => {
    const whole = name.startsWith(".") ? `${thing}${name}` : name;
    thing = whole.slice(0, whole.lastIndexOf("."));
    return whole;
  });
}
