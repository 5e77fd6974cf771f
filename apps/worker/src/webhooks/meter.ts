/** How an attempt at a delivery ended here; `broken` when nothing could be written of it. */
export type Delivered =
  | "delivered"
  | "retry"
  | "failed"
  | "disabled"
  | "lost"
  | "given_back"
  | "broken";

/** Who counts what this worker does with deliveries. */
export type DeliveryMeter = {
  /** How many are on their way from here. */
  delivering(count: number): void;
  delivered(attempt: { outcome: Delivered; ms: number }): void;
  /** A first attempt arrived, so long after its event. */
  arrived(ageMs: number): void;
};

export const noMeter: DeliveryMeter = {
  delivering() {},
  delivered() {},
  arrived() {},
};
