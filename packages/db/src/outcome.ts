/**
 * What a fact of a provider came to in our books.
 * applied: it changed something now. known: it was so already. unknown: it can't be placed yet,
 * tell it again later. refused: it is kept as an anomaly and credited to nobody.
 */
export type Outcome = "applied" | "known" | "unknown" | "refused";
