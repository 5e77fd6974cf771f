import { expect, it } from "vitest";
import { findMismatch } from "./find-mismatch.ts";

it("names why a charge is not what was asked for, and passes only the very same", () => {
  const price = { amount: 1000, currency: "USD" };
  expect(findMismatch(price, { ...price })).toBeUndefined();
  expect(findMismatch(undefined, price)).toBe("unreadable");
  expect(findMismatch(price, undefined)).toBe("unknown_order");
  expect(findMismatch({ amount: 1000, currency: "EUR" }, price)).toBe("currency_mismatch");
  expect(findMismatch({ amount: 999, currency: "USD" }, price)).toBe("amount_mismatch");
  const nothing = { amount: 0, currency: "USD" };
  expect(findMismatch(nothing, nothing)).toBe("amount_mismatch");
});
