import type { LiveItem } from "@ducat/db/events";
import { mostSeen, type Seen, type SeenItems, tailOf } from "./position.ts";

/** The name of an event and what it says. */
export type StreamEvent = readonly [type: string, data: object];

/**
 * What a reader who has `seen` so much is told of the items in work. `seen` moves on with each
 * event, just before that is handed out: whoever stops in between is where the last one was.
 */
export function* tellLive(live: readonly LiveItem[], seen: SeenItems): Generator<StreamEvent> {
  forgetOthers(live, seen);
  for (const item of live) {
    const { item_id, generation_id, position, label, attempt } = item;
    const about = { item_id, generation_id, position, label, attempt };
    const tail = tailOf(item_id);
    let known = seen.get(tail);
    if (known?.attempt !== attempt) {
      if (!known && seen.size >= mostSeen) continue;
      known = { attempt, chars: 0, permille: 0 };
      seen.set(tail, known);
      yield ["item.started", about];
    }
    yield* tellProgress(item, about, known);
  }
}

function* tellProgress(item: LiveItem, about: object, known: Seen): Generator<StreamEvent> {
  const { fraction, text, offset } = item;
  const permille = Math.floor((fraction ?? 0) * 1000);
  if (permille > known.permille) {
    known.permille = permille;
    yield ["item.progress", { ...about, fraction: permille / 1000 }];
  }
  if (text === undefined || offset !== known.chars) return;
  known.chars += countCharacters(text);
  yield ["item.text", { ...about, offset, text }];
}

/** What is not in work any more needs no place. Its end is told by its own event. */
function forgetOthers(live: readonly LiveItem[], seen: SeenItems): void {
  const tails = new Set(live.map(({ item_id }) => tailOf(item_id)));
  for (const tail of seen.keys()) if (!tails.has(tail)) seen.delete(tail);
}

/** Code points, as the database counts. */
function countCharacters(text: string): number {
  let pairs = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit >= 0xd800 && unit < 0xdc00) pairs += 1;
  }
  return text.length - pairs;
}
