import { refuseAt } from "../problem.ts";

/** How far into the work on an item a reader is. */
export type Seen = {
  attempt: number;
  /** Of its text, in code points. */
  chars: number;
  /** Of its progress; whole. */
  permille: number;
};

/** By the last twelve digits of an item's id. */
export type SeenItems = Map<string, Seen>;

export type AccountPosition = {
  /** The number of the last event. */
  seq: number;
  /**
   * The line of the ledger that the last balance was of, and what was set aside then: the end of an
   * item at its full price changes nothing else. Undefined: there was none yet.
   */
  balance: { ledgerSeq: number; held: number } | undefined;
  seen: SeenItems;
};

export type GenerationPosition = {
  /** How many ends of items were told; one more than there are items: that of all, too. */
  endedNo: number;
  seen: SeenItems;
};

/** As many items are told of at a time. */
export const mostSeen = 100;
/** A hundred items with the longest numbers, and more than any browser keeps of an id. */
const longest = 4_000;

const item = "[0-9a-f]{12}:\\d{1,9}:\\d{1,6}:\\d{1,4}";
const items = `((?:\\.${item}){0,${mostSeen}})`;
const ofAccount = new RegExp(`^a1\\.(\\d{1,15})\\.(?:-|(\\d{1,15})_(\\d{1,15}))${items}$`);
const ofGeneration = new RegExp(`^g1\\.(\\d{1,9})${items}$`);

export const tailOf = (itemId: string): string => itemId.slice(-12);

/** The position as the `id` of an event: opaque to clients, so that it may change. */
export const writeAccountPosition = ({ seq, balance, seen }: AccountPosition): string =>
  `a1.${seq}.${balance ? `${balance.ledgerSeq}_${balance.held}` : "-"}${writeSeen(seen)}`;

export const writeGenerationPosition = ({ endedNo, seen }: GenerationPosition): string =>
  `g1.${endedNo}${writeSeen(seen)}`;

/** What a client says it has seen, in Last-Event-ID or `after`. Errors: validation_failed. */
export function readAccountPosition(text: string, pointer: string): AccountPosition {
  const [, seq, ledgerSeq, held, rest] = match(ofAccount, text);
  const position = {
    seq: Number(seq),
    balance:
      ledgerSeq === undefined ? undefined : { ledgerSeq: Number(ledgerSeq), held: Number(held) },
    seen: readSeen(rest ?? ""),
  };
  if (seq === undefined || writeAccountPosition(position) !== text) throw refuse(pointer);
  return position;
}

/** The same of a generation's stream. Errors: validation_failed. */
export function readGenerationPosition(text: string, pointer: string): GenerationPosition {
  const [, endedNo, rest] = match(ofGeneration, text);
  const position = { endedNo: Number(endedNo), seen: readSeen(rest ?? "") };
  if (endedNo === undefined || writeGenerationPosition(position) !== text) throw refuse(pointer);
  return position;
}

const match = (shape: RegExp, text: string) =>
  text.length <= longest ? (shape.exec(text) ?? []) : [];

function writeSeen(seen: SeenItems): string {
  let text = "";
  for (const [tail, { attempt, chars, permille }] of seen) {
    text += `.${tail}:${attempt}:${chars}:${permille}`;
  }
  return text;
}

/** Whatever is not as we write it (an item twice, a leading zero) is not written back the same. */
function readSeen(text: string): SeenItems {
  const seen: SeenItems = new Map();
  for (const part of text.split(".").slice(1)) {
    const [tail = "", attempt, chars, permille] = part.split(":");
    seen.set(tail, {
      attempt: Number(attempt),
      chars: Number(chars),
      permille: Number(permille),
    });
  }
  return seen;
}

const refuse = (pointer: string) => refuseAt(pointer, "This is not the id of an event here.");
