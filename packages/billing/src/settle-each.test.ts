import { DomainError } from "@ducat/types/errors";
import { expect, it } from "vitest";
import type { OpenOrder } from "./provider.ts";
import { settleEach } from "./settle-each.ts";

const orders = (count: number): OpenOrder[] =>
  Array.from({ length: count }, (_, index) => ({
    ref: String(index),
    orderRef: `order-${index}`,
    kind: "pack",
    sent: { amount: 1, currency: "USD" },
    createdAt: new Date(0),
  }));

it("asks about every order although some fail, and returns the first error", async () => {
  const asked: string[] = [];
  const run = settleEach(orders(6), async ({ ref }) => {
    asked.push(ref);
    if (["1", "2", "3", "4"].includes(ref)) throw new DomainError("not_found", { detail: ref });
    return [];
  });
  const end = await run.next();
  expect(asked).toEqual(["0", "1", "2", "3", "4", "5"]);
  expect(end).toMatchObject({ done: true, value: { code: "not_found", detail: { detail: "1" } } });
});

it("stops when the provider answers three orders in a row with nothing", async () => {
  const asked: string[] = [];
  const run = settleEach(orders(9), async ({ ref }) => {
    asked.push(ref);
    if (ref === "0" || ref === "2") return [];
    throw new DomainError("provider_unavailable");
  });
  await expect(run.next()).rejects.toMatchObject({ code: "provider_unavailable" });
  expect(asked).toEqual(["0", "1", "2", "3", "4", "5"]);
});
