import { expect, it } from "vitest";
import { useDatabase } from "../../db/test/use-database.ts";
import { describeOrders, packs, permute, plansAndAnswers } from "../test/order-cases.ts";

const db = useDatabase();
const orders = permute(6);

it("six facts have 720 orders", () => {
  expect(new Set(orders.map(String)).size).toBe(720);
});

// All orders of these two, a subscription of a card's and an answer that is asked for; of the
// others all in the long form.
const whole = ["a plan at stripe", "a pack at zarinpal"];
const isWhole = ({ title }: { title: string }) => whole.includes(title);
const sample = orders.filter((_, n) => n % 11 === 0);
describeOrders(db, plansAndAnswers.filter(isWhole), orders);
describeOrders(db, [...plansAndAnswers.filter((one) => !isWhole(one)), ...packs], sample);
