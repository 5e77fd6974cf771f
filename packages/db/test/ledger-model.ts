/**
 * The ledger as a pure function of what was asked of it: plain numbers, no database, no head
 * cache. It says what every operation must answer and what must be left; the real one is compared
 * with it after each step. Times are seconds of the account's own clock.
 */
export type ModelGrant = {
  order: number;
  source: "trial" | "purchase" | "adjustment";
  amount: number;
  remaining: number;
  expired: number;
  subject: string | null;
  expiresAt: number;
  reversed: number;
  taken: number;
  takenAt: number;
  restores: ModelGrant | null;
};

type Slice = { grant: ModelGrant; n: number };
export type ModelHold = { slices: Slice[]; amount: number; open: boolean; expiresAt: number };

export type Model = {
  now: number;
  grants: ModelGrant[];
  holds: ModelHold[];
  held: number;
  debt: number;
  frozen: boolean;
  used: number;
};

export const makeModel = (trial: number): Model => {
  const model: Model = {
    now: 0,
    grants: [],
    holds: [],
    held: 0,
    debt: 0,
    frozen: false,
    used: 0,
  };
  if (trial > 0) give(model, { source: "trial", amount: trial });
  return model;
};

const sum = (grants: ModelGrant[]) => grants.reduce((total, grant) => total + grant.remaining, 0);
export const unbound = (model: Model) => sum(model.grants.filter((g) => g.subject === null));

const spendable = (model: Model, subject: string | null) =>
  model.grants.filter((g) => g.remaining > 0 && (g.subject === null || g.subject === subject));

/** Matching subject, then trial before the rest, soonest expiry, oldest. */
const burnOrder = (a: ModelGrant, b: ModelGrant) =>
  Number(a.subject === null) - Number(b.subject === null) ||
  Number(a.source !== "trial") - Number(b.source !== "trial") ||
  (a.expiresAt === b.expiresAt ? 0 : a.expiresAt - b.expiresAt) ||
  a.order - b.order;

export function give(
  model: Model,
  grant: { source: ModelGrant["source"]; amount: number; subject?: string; validFor?: number },
): ModelGrant {
  const made: ModelGrant = {
    order: model.grants.length,
    source: grant.source,
    amount: grant.amount,
    remaining: grant.amount,
    expired: 0,
    subject: grant.subject ?? null,
    expiresAt: grant.validFor === undefined ? Number.POSITIVE_INFINITY : model.now + grant.validFor,
    reversed: 0,
    taken: 0,
    takenAt: 0,
    restores: null,
  };
  model.grants.push(made);
  payDebt(model, [{ grant: made, n: made.amount }]);
  return made;
}

/** The debt takes what has come in, and nothing that was in those grants before. */
function payDebt(model: Model, inflows: Slice[]): void {
  for (const { grant, n: inflow } of inflows) {
    const n = Math.min(model.debt, inflow, grant.remaining);
    grant.remaining -= n;
    model.debt -= n;
  }
}

/** Undefined when there is not enough. */
export function take(model: Model, amount: number, subject: string | null): Slice[] | undefined {
  const grants = spendable(model, subject);
  if (sum(grants) < amount) return undefined;
  const slices: Slice[] = [];
  let left = amount;
  for (const grant of grants.sort(burnOrder)) {
    const n = Math.min(left, grant.remaining);
    if (n === 0) break;
    grant.remaining -= n;
    left -= n;
    slices.push({ grant, n });
  }
  return slices;
}

/** Gives the part [from, from + length) of ordered slices back to where it came from. */
export function giveBack(model: Model, slices: Slice[], from: number, length: number): void {
  const inflows: Slice[] = [];
  let before = 0;
  for (const { grant, n } of slices) {
    const part = Math.min(before + n, from + length) - Math.max(before, from);
    if (part > 0) {
      grant.remaining += part;
      inflows.push({ grant, n: part });
    }
    before += n;
  }
  model.held -= length;
  expire(model);
  payDebt(model, inflows);
}

function expire(model: Model): void {
  for (const grant of model.grants.filter((g) => g.expiresAt <= model.now)) {
    grant.expired += grant.remaining;
    grant.remaining = 0;
  }
}

export function endHold(model: Model, hold: ModelHold, captured: number): void {
  hold.open = false;
  model.held -= captured;
  model.used += captured;
  if (hold.amount > captured) giveBack(model, hold.slices, captured, hold.amount - captured);
}

export function advance(model: Model, seconds: number): void {
  model.now += seconds;
  const due = model.holds.filter((hold) => hold.open && hold.expiresAt <= model.now);
  for (const hold of due.sort((a, b) => a.expiresAt - b.expiresAt)) endHold(model, hold, 0);
  expire(model);
}

/** What the reversals of a grant's payment stand for now is `reversed` credits. */
export function claw(model: Model, grant: ModelGrant, reversed: number): void {
  const target = Math.min(reversed, grant.amount);
  if (target > grant.reversed) {
    const kin = model.grants.filter((g) => g === grant || g.restores === grant);
    const expired = kin.reduce((total, g) => total + g.expired, 0);
    let left = Math.max(0, target - expired - grant.taken);
    if (left > 0) grant.takenAt = model.now;
    grant.taken += left;
    const own = (g: ModelGrant) => (g === grant ? 0 : g.restores === grant ? 1 : 2);
    const from = model.grants
      .filter((g) => g.remaining > 0 && (g.subject === null || own(g) < 2))
      .sort(
        (a, b) => own(a) - own(b) || burnOrder({ ...a, subject: null }, { ...b, subject: null }),
      );
    for (const g of from) {
      const n = Math.min(left, g.remaining);
      g.remaining -= n;
      left -= n;
    }
    model.debt += left;
  } else if (target < grant.reversed) {
    const back = Math.min(grant.taken, grant.reversed - target);
    grant.taken -= back;
    const debt = Math.min(back, model.debt);
    model.debt -= debt;
    if (back > debt) {
      model.grants.push({
        ...grant,
        order: model.grants.length,
        amount: back - debt,
        remaining: back - debt,
        expired: 0,
        reversed: 0,
        taken: 0,
        expiresAt: model.now + Math.max(0, grant.expiresAt - grant.takenAt),
        restores: grant,
      });
    }
  }
  grant.reversed = target;
  expire(model);
}
