import { raiseDueAlerts } from "@ducat/db/alerts";
import type { Db } from "@ducat/db/connect";
import { expireDue } from "@ducat/db/credits";
import { sweepOwnSubscriptions } from "@ducat/db/own-subscriptions";
import { expireOrders } from "@ducat/db/payments";
import { refillBaseDue, refillDue } from "@ducat/db/refills";
import type { Timings } from "../timings.ts";
import type { Task } from "./task.ts";

/** Accounts at a time, each in a transaction of its own: a crash loses and repeats none. */
const batch = 100;

const until =
  (run: (db: Db, limit: number) => Promise<number>): Task["run"] =>
  async ({ db }) => {
    const done = await run(db, batch);
    return { done, more: done >= batch };
  };

/** What is due for accounts by our clock. */
export function listAccountTasks(timings: Timings): Task[] {
  const { expireMs, renewMs, alertsMs } = timings;
  return [
    {
      name: "expire-credits",
      about: "Books credits and holds that expired while nobody touched their account.",
      everyMs: expireMs,
      run: until(expireDue),
    },
    {
      name: "refill-years",
      about: "Gives the months of paid years and of assigned plans.",
      everyMs: renewMs,
      run: until(refillDue),
    },
    {
      name: "refill-plans",
      about: "Gives what default plans give each month.",
      everyMs: renewMs,
      run: until(refillBaseDue),
    },
    {
      name: "renew-subscriptions",
      about: "Renewal orders, ends and reminders of our own subscriptions and passes.",
      everyMs: renewMs,
      run: until(sweepOwnSubscriptions),
    },
    {
      name: "expire-orders",
      about: "Ends orders and checkouts that nobody paid.",
      everyMs: renewMs,
      run: until(expireOrders),
    },
    {
      name: "raise-alerts",
      about: "Tells accounts what runs out, where their spender could not.",
      everyMs: alertsMs,
      run: until(raiseDueAlerts),
    },
  ];
}
