import type { Generation as GenerationRow } from "@ducat/db/generations";
import type { BatchProgress } from "@ducat/types/batch-progress";

/** Where the rest of a batch is to be had. */
export const linksOf = (id: string) => ({
  items_url: `/v1/generations/${id}/items`,
  results_url: `/v1/generations/${id}/results`,
  errors_url: `/v1/generations/${id}/errors`,
});

type Counted = Pick<GenerationRow, "id"> & { batch: { rejected?: unknown } | null } & Pick<
    GenerationRow,
    "item_count" | "open_items" | "failed_items" | "canceled_items"
  >;

/** How far a batch is; undefined for a generation whose items didn't come as rows. */
export function showProgress(row: Counted): BatchProgress | undefined {
  if (!row.batch) return undefined;
  const { item_count: accepted, open_items: open, failed_items: failed } = row;
  const canceled = row.canceled_items;
  const rejected = Number(row.batch.rejected ?? 0);
  return {
    ...{ rows: accepted + rejected, accepted, rejected, open },
    ...{ completed: accepted - open - failed - canceled, failed, canceled },
    ...linksOf(row.id),
  };
}
