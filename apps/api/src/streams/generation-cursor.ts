import type { Db } from "@ducat/db/connect";
import { type GenerationSlice, readGenerationStream } from "@ducat/db/events";
import { findGeneration, type Generation } from "@ducat/db/generations";
import type { UrlSigner } from "@ducat/storage/signed-url";
import { showGeneration, showItem } from "../show-generation.ts";
import { type Cursor, listSeen, sliceRows } from "./cursor.ts";
import { type StreamEvent, tellLive } from "./live-events.ts";
import { type GenerationPosition, tailOf, writeGenerationPosition } from "./position.ts";

/** The work on a generation: each item's progress and end, and at last that of all. */
export function createGenerationCursor(
  { db, urlSigner }: { db: Db; urlSigner: UrlSigner },
  { accountId, id }: { accountId: string; id: string },
  from: GenerationPosition,
): Cursor {
  const at = { ...from };

  function* tell(slice: GenerationSlice, ended?: Generation): Generator<StreamEvent> {
    for (const item of slice.items) {
      at.endedNo = item.ended_no;
      at.seen.delete(tailOf(item.id));
      yield [`item.${item.status}`, { generation_id: id, ...showItem(item, urlSigner) }];
    }
    yield* tellLive(slice.live, at.seen);
    if (!ended) return;
    at.endedNo = slice.item_count + 1;
    const { items: _, ...shown } = showGeneration(ended, urlSigner);
    yield [`generation.${ended.status}`, shown];
  }

  return {
    async read() {
      const { endedNo, seen } = at;
      const from = { generationId: id, endedNo, limit: sliceRows, seen: listSeen(seen) };
      const slice = await readGenerationStream(db, accountId, from);
      if (!slice || (endedNo > slice.item_count && slice.open_items === 0)) return undefined;
      // Who was further, before a backup was restored, goes on from where it is now.
      at.endedNo = Math.min(endedNo, slice.item_count - slice.open_items);
      const isLast = slice.open_items === 0 && !slice.hasMore;
      if (!isLast) return { events: tell(slice), hasMore: slice.hasMore, isLast };
      const ended = await findGeneration(db, accountId, id);
      return ended && { events: tell(slice, ended), hasMore: false, isLast };
    },
    position: () => writeGenerationPosition(at),
  };
}
