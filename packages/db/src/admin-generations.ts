import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import type { SlicedList } from "./slices.ts";

export type GenerationStatus = "pending" | "processing" | "completed" | "failed" | "canceled";

/** A generation as administrators see it: without what people wrote or got. */
export type FoundGeneration = {
  account_id: string;
  id: string;
  style_id: string;
  style_version: number;
  kind: "image" | "text";
  status: GenerationStatus;
  item_count: number;
  failed_items: number;
  canceled_items: number;
  /** Why items failed, each reason once; ten at most. */
  error_codes: string[];
  cost: number;
  captured: number;
  refunded: number;
  subject: string | null;
  reference: string | null;
  retry_of: string | null;
  created_at: Date;
  deadline_at: Date;
  completed_at: Date | null;
  deleted_at: Date | null;
  /** created_at in microseconds since 1970. */
  created_us: number;
};

/** Which generations are meant; `from` (included) and `to` are when they were made. */
export type GenerationSearch = {
  accountId?: string | undefined;
  status?: GenerationStatus | undefined;
  style?: string | undefined;
  /** An item has failed with it. */
  errorCode?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
};

/** The first of all ids: what has it comes after nothing of its moment. */
const firstId = "00000000-0000-0000-0000-000000000000";
const firstWindowSeconds = 3600;

/**
 * Generations of every account, for pages and exports. Those of one account are in the order of
 * their ids, those of all in the order of their time. A position is `<microseconds>.<id>`.
 * For admins.
 */
export function searchGenerations(db: Db, search: GenerationSearch): SlicedList<FoundGeneration> {
  const { accountId = null, status = null, style = null, errorCode = null } = search;
  const { from = null, to = null } = search;
  let seconds = firstWindowSeconds;
  const end = to === null ? undefined : `${to.getTime() * 1000}.${firstId}`;
  return {
    read({ before, floor, limit }) {
      const [beforeUs = null, beforeId = null] = splitPosition(before);
      const [floorUs = null] = splitPosition(floor);
      return ask(db<FoundGeneration[]>`
        SELECT * FROM ducat.search_generations(${limit}, ${accountId}, ${status}, ${style},
          ${errorCode}, ${from}, ${to}, ${beforeUs}, ${beforeId}, ${floorUs})`);
    },
    positionOf: ({ created_us, id }) => `${created_us}.${id}`,
    ...(accountId === null && {
      async findFloor(before, rows) {
        const [beforeUs = null] = splitPosition(before ?? end);
        const [row] = await ask(db<{ floor: number | null; seconds: number }[]>`
          SELECT floor, seconds
          FROM ducat.find_generation_window(${beforeUs}, ${from}, ${rows}, ${seconds})`);
        seconds = row?.seconds ?? seconds;
        return row?.floor == null ? undefined : `${row.floor}.${firstId}`;
      },
    }),
  };
}

function splitPosition(position: string | undefined): [number, string] | [] {
  const [us, id] = position?.split(".") ?? [];
  return us === undefined || id === undefined ? [] : [Number(us), id];
}
