/** At most `limit` requests in `windowSeconds` from the first of them on. */
export type RequestLimit = {
  /** What clients are told it is called. */
  name: string;
  /** Whose window: it names no person in clear. */
  key: string;
  limit: number;
  windowSeconds: number;
};

/** How much of a window is used, and in how many milliseconds it ends. */
export type Standing = { used: number; resetsMs: number };

/** A limit as an answer tells of it: what is left, and in how many seconds it is whole again. */
export type SeenLimit = RequestLimit & { left: number; seconds: number };

/** Whether a request may pass, and how its limits stand now, in their order. */
export type Verdict = { isTaken: boolean; standings: Standing[] };

/** Where requests are counted. */
export type LimitStore = {
  /**
   * Takes one from each of these limits or, when one of them is used up, from none. Rejects when
   * the store can't be asked, and doesn't wait long for it.
   */
  take(limits: readonly RequestLimit[]): Promise<Verdict>;
};
