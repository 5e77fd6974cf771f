export type RawGeneration = {
  id: string;
  style_id: string;
  style_version: number;
  status: string;
  item_count: number;
  open_items: number;
  params: Record<string, unknown>;
  usage: { feature: string; amount: number }[] | null;
  entry_seq: number | null;
  created_at: Date;
};
export type Begun = { generation_id: string; attempt: number };

/** A generation's state as its owner sees it: one of which an item was begun is not pending. */
export function readState(generation: RawGeneration, items: readonly Begun[]): string {
  const { id, status, item_count, open_items } = generation;
  if (open_items === 0) return status;
  const isBegun = items.some((item) => item.generation_id === id && item.attempt > 0);
  return isBegun || open_items < item_count ? "processing" : "pending";
}
