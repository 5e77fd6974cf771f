import { expect, it } from "vitest";
import { useDatabase } from "../../db/test/use-database.ts";
import { describeOrders, packs, permute, plansAndAnswers } from "../test/order-cases.ts";

const db = useDatabase();
const orders = permute(6);

it("six facts have 720 orders", () => {
  expect(new Set(orders.map(String)).size).toBe(720);
});

describeOrders(db, plansAndAnswers, orders);
// All of these too in the long form.
describeOrders(
  db,
  packs,
  orders.filter((_, n) => n % 11 === 0),
);
