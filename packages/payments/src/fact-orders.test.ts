import { expect, it } from "vitest";
import { useDatabase } from "../../db/test/use-database.ts";
import { describeOrders, packs, permute, plansAndAnswers } from "../test/order-cases.ts";

const db = useDatabase();
const orders = permute(6);

it("six facts have 720 orders", () => {
  expect(new Set(orders.map(String)).size).toBe(720);
});

// More orders of these two, a subscription of a card's and an answer that is asked for; all orders
// of all in the long form.
const more = ["a plan at stripe", "a pack at zarinpal"];
const hasMore = ({ title }: { title: string }) => more.includes(title);
const sampleOf = (step: number) => orders.filter((_, n) => n % step === 0);
describeOrders(db, plansAndAnswers.filter(hasMore), sampleOf(7));
describeOrders(db, [...plansAndAnswers.filter((one) => !hasMore(one)), ...packs], sampleOf(13));

it("of which the sample has each fact in each place, and each before and after each other", () => {
  const told = sampleOf(13);
  for (const fact of orders[0] ?? []) {
    expect(new Set(told.map((order) => order.indexOf(fact))).size).toBe(6);
    const before = told.flatMap((order) => order.slice(0, order.indexOf(fact)));
    expect(new Set(before).size).toBe(5);
  }
});
