import type { Purchase } from "./recorded-purchase.ts";
import { credits } from "./shop.ts";

/** What the trial of a new account gives. */
const trial = 3;

/**
 * What an account has after a purchase, whatever the order, the number and the timing in which it
 * was told: each payment's credits, less the part of its money that is gone, rounded against the
 * customer. Pure: it knows amounts and nothing of facts or tables.
 */
export function expectBooks({ kind, charges, isDisputed }: Purchase) {
  const left = charges.map(({ name, charged, refunded, lost }) => {
    const given = giving[kind][name] ?? 0;
    const reversed = Math.min(charged, refunded + lost);
    return given - Math.ceil((given * reversed) / charged);
  });
  const available = left.reduce((sum, one) => sum + one, trial);
  return { available, debt: 0, frozen: isDisputed };
}

/** The plan is changed when half of its month is left. */
const giving: Record<"pack" | "plan", Record<string, number>> = {
  pack: { pack: credits.pack },
  plan: {
    initial: credits.small,
    update: Math.floor((credits.large - credits.small) / 2),
    renewal: credits.large,
  },
};
