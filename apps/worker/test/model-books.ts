import { randomUUID } from "node:crypto";

/** What a provider of models may do instead of its work. `before` it nothing is paid for. */
export const faults = [
  "limit-seconds",
  "limit-date",
  "overloaded",
  "unauthorized",
  "bad-input",
  "redirect",
  "error-before",
  "error-after",
  "hang",
  "truncated",
  "cut",
  "html",
  "wrong-type",
  "broken-output",
  "huge",
  "error-inside",
  "drip",
  "reset-before",
  "reset-after",
  "absurd-usage",
  "negative-usage",
  "refused",
  "filtered",
] as const;
export type Fault = (typeof faults)[number];

/** One item as its provider knows it: by the mark in the prompt. */
export type Order = {
  id: string;
  prompt: string;
  fault: Fault | undefined;
  /** How many requests the fault hits; the next are served well. */
  times: number;
  hits: number;
};

/** Work that was done, and that somebody pays for. */
export type Submission = { order: string; key: string | null; costMicros: number };

export type Books = {
  /** Put its prompt into the generation's input. */
  order(wishes?: { fault?: Fault; times?: number }): Order;
  /** The order whose mark a request's text holds. */
  find(text: string): Order;
  /** The fault that hits this request, counted. */
  nextFault(order: Order): Fault | undefined;
  /** Does the work. A key that was seen before gives the first again, where keys are kept. */
  pay(order: Order, key: string | null): Submission;
  submissions(id: string): Submission[];
  /** What is owed for the order, in millionths of a US dollar. */
  owed(id: string): number;
  /** Requests of it that arrived, whatever came of them. */
  asked(id: string): number;
  /** Requests that should never have come: where a redirect led. */
  strays: string[];
};

const mark = /\[\[([0-9a-f-]{36})\]\]/;
const costMicros = 40_000;

/** A provider's own books, by which it is judged whether anything was paid twice. */
export function createBooks(options: { keepsKeys?: boolean } = {}): Books {
  const orders = new Map<string, Order>();
  const done: Submission[] = [];
  const asked = new Map<string, number>();
  const submissions = (id: string) => done.filter((one) => one.order === id);
  return {
    strays: [],
    submissions,
    owed: (id) => submissions(id).reduce((sum, one) => sum + one.costMicros, 0),
    asked: (id) => asked.get(id) ?? 0,
    order({ fault, times = 1 } = {}) {
      const id = randomUUID();
      const order = { id, prompt: `a garden by the sea [[${id}]]`, fault, times, hits: 0 };
      orders.set(id, order);
      return order;
    },
    find(text) {
      const order = orders.get(mark.exec(text)?.[1] ?? "");
      if (!order) throw new Error("a request without an order's mark");
      asked.set(order.id, (asked.get(order.id) ?? 0) + 1);
      return order;
    },
    nextFault(order) {
      order.hits += 1;
      return order.hits <= order.times ? order.fault : undefined;
    },
    pay(order, key) {
      const known = options.keepsKeys && key !== null && done.find((one) => one.key === key);
      if (known) return known;
      const submission = { order: order.id, key, costMicros };
      done.push(submission);
      return submission;
    },
  };
}
