import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { stripeEventTypes } from "../src/stripe-facts.ts";

describe("docs/payments.md", async () => {
  const file = new URL("../../../docs/payments.md", import.meta.url);
  const text = await readFile(file, "utf8");
  const [, section = ""] = /^### Stripe\n([\s\S]*?)^### /m.exec(text) ?? [];
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));

  it("tells of each event of Stripe that an endpoint is to send, once, and of no other", () => {
    const told = rows.flatMap((row) => readEvents(row.split("|")[1] ?? ""));
    expect([...told].sort()).toEqual([...stripeEventTypes].sort());
  });
});

/** The events of a cell; `.updated` is the same thing's as the one before it. */
function readEvents(cell: string): string[] {
  let thing = "";
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => {
    const whole = name.startsWith(".") ? `${thing}${name}` : name;
    thing = whole.slice(0, whole.lastIndexOf("."));
    return whole;
  });
}
