import type { Money } from "./money.ts";

/** What a customer chooses on the sandbox's page, and what its card does later. */
export type SandboxOutcome = "success" | "decline" | "authenticate" | "delayed";
export type SandboxCard = "succeed" | "decline" | "authenticate" | "lose_answer";

/** A webhook that waits or is done; the body goes when it was delivered or given up. */
export type SandboxEvent = {
  id: string;
  body?: string;
  attempts: number;
  nextAttemptAt?: number;
};

export type SandboxRefund = { key: string; amount: number };

/** One payment: a checkout, or a charge of a saved card. Times are milliseconds. */
export type SandboxPayment = {
  kind: "payment";
  id: string;
  purpose: "pack" | "subscription" | "reload";
  status: "open" | "challenged" | "processing" | "paid" | "failed" | "expired";
  orderRef: string;
  key?: string;
  price: Money;
  charged: Money;
  title: string;
  customerRef: string;
  returnUrl: string;
  cancelUrl: string;
  saveMethod: boolean;
  card: SandboxCard;
  planRef?: string;
  interval: "month" | "year";
  trialDays: number;
  subscriptionRef?: string;
  createdAt: number;
  expiresAt?: number;
  settlesAt?: number;
  failure?: string;
  refunds: SandboxRefund[];
  dispute?: { id: string; status: "opened" | "won" | "lost" };
  events: SandboxEvent[];
};

export type SandboxInvoice = {
  id: string;
  reason: "initial" | "renewal" | "update";
  money: Money;
  planRef: string;
  trial: boolean;
  isPaid: boolean;
  periodStart: number;
  periodEnd: number;
  refunds: SandboxRefund[];
};

export type SandboxSubscription = {
  kind: "subscription";
  id: string;
  status: "trialing" | "active" | "past_due" | "canceled";
  orderRef: string;
  customerRef: string;
  methodRef: string;
  planRef: string;
  price: Money;
  interval: "month" | "year";
  /** The day of the month that paid periods begin on, where a month has it; of old ones: none. */
  anchorDay?: number;
  periodStart: number;
  periodEnd: number;
  trialEndsAt?: number;
  cancelAtPeriodEnd: boolean;
  endedAt?: number;
  failures: number;
  nextAttemptAt?: number;
  /** Keys of plan changes that were carried out. */
  changes: string[];
  invoices: SandboxInvoice[];
  events: SandboxEvent[];
};

export type SandboxMethod = {
  kind: "method";
  id: string;
  customerRef: string;
  card: SandboxCard;
  isRemoved: boolean;
  events: SandboxEvent[];
};

export type SandboxPortal = {
  kind: "portal";
  id: string;
  subscriptionRef: string;
  returnUrl: string;
  expiresAt: number;
  events: SandboxEvent[];
};

export type SandboxDocument = SandboxPayment | SandboxSubscription | SandboxMethod | SandboxPortal;

/**
 * Where the sandbox keeps its books, shared by every process that has the adapter. A document is
 * written whole with its waiting webhooks in it, so no change needs more than one row.
 */
export type SandboxStore = {
  get(id: string): Promise<{ document: SandboxDocument; version: number } | undefined>;
  /**
   * Writes the document if its version is still the given one; 0 means that there is none yet.
   * False when somebody else was faster. `dueAt` is when runDue has to look at it again.
   */
  put(
    document: SandboxDocument,
    at: { version: number; dueAt: number | undefined; now: number },
  ): Promise<boolean>;
  /** Ids with dueAt up to now, the longest overdue first. */
  listDue(now: number, limit: number): Promise<string[]>;
  /**
   * Ids written since the date, in an order that writing doesn't change: whoever reads them may
   * write them. `after` is the last id of the page before.
   */
  listChanged(since: number, limit: number, after?: string): Promise<string[]>;
  /**
   * The time of the order's account, which a test may have moved ahead; undefined for an order of
   * nobody's. Left out where accounts have no clocks.
   */
  readTime?(orderRef: string): Promise<number | undefined>;
};

/** Books of one process, gone with it: for tests, and for trying the adapter by itself. */
export function createMemoryStore(): SandboxStore {
  type Row = { text: string; version: number; dueAt: number | undefined; changedAt: number };
  const rows = new Map<string, Row>();
  return {
    get: async (id) => {
      const row = rows.get(id);
      return row && { document: JSON.parse(row.text), version: row.version };
    },
    put: async (document, { version, dueAt, now }) => {
      if ((rows.get(document.id)?.version ?? 0) !== version) return false;
      const text = JSON.stringify(document);
      rows.set(document.id, { text, version: version + 1, dueAt, changedAt: now });
      return true;
    },
    listDue: async (now, limit) =>
      [...rows]
        .filter(([, { dueAt }]) => dueAt !== undefined && dueAt <= now)
        .sort(([, one], [, other]) => (one.dueAt ?? 0) - (other.dueAt ?? 0))
        .map(([id]) => id)
        .slice(0, limit),
    listChanged: async (since, limit, after) => {
      const ids = [...rows].filter(([, { changedAt }]) => changedAt >= since).map(([id]) => id);
      return ids.slice(after === undefined ? 0 : ids.indexOf(after) + 1).slice(0, limit);
    },
  };
}
