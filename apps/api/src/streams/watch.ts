import { type Head, readHeads } from "@ducat/db/events";
import { listEndedCallers, type StreamCaller } from "@ducat/db/stream-tickets";
import type { HubDeps, Open } from "./hub.ts";

/** How often all streams are looked at together. */
const usualLookMs = 15_000;
/** So many looks, and a stream reads also where nothing seems to have moved. */
const looksPerRead = 4;

type WatchDeps = Pick<HubDeps, "db" | "log" | "lookMs">;

/** Looks at all streams: what no signal said, and who may not listen any more. */
export function createWatch(
  { db, log, lookMs = usualLookMs }: WatchDeps,
  accounts: Map<string, Set<Open>>,
) {
  let heads = new Map<string, Head>();
  let looks = 0;
  /** Streams of these may have lost their caller's right. */
  let dropped = new Set<Open>();
  let isLooking = false;

  const all = () => [...accounts.values()].flatMap((open) => [...open]);
  const wakeMoved = async () => {
    const before = heads;
    const found = await readHeads(db, [...accounts.keys()]);
    heads = new Map(found.map((head) => [head.accountId, head]));
    looks += 1;
    for (const [accountId, open] of accounts) {
      const isStill =
        looks % looksPerRead > 0 && !hasMoved(before.get(accountId), heads.get(accountId));
      if (!isStill) for (const { seat } of open) seat.wake();
    }
  };
  const closeEnded = async (open: Open[]) => {
    const callers = new Map<string, StreamCaller & { open: Open[] }>();
    for (const one of open) {
      const { accountId, actor, sessionId } = one.stream;
      const key = `${accountId} ${actor} ${sessionId}`;
      const caller = callers.get(key) ?? { accountId, actor, sessionId, open: [] };
      caller.open.push(one);
      callers.set(key, caller);
    }
    for (const ended of await listEndedCallers(db, [...callers.values()])) {
      for (const { seat } of ended.open) seat.close("revoked");
    }
  };
  const look = async () => {
    if (isLooking) return;
    isLooking = true;
    try {
      await closeEnded(all());
      await wakeMoved();
    } catch (err) {
      log.warn({ err }, "the streams could not be looked at");
    } finally {
      isLooking = false;
    }
  };
  const lookAtDropped = () => {
    const open = [...dropped];
    dropped = new Set();
    closeEnded(open).catch((err: unknown) => {
      log.warn({ err }, "who may hear a stream could not be asked and is asked again later");
    });
  };

  return {
    begin(): () => void {
      const timer = setInterval(look, lookMs).unref();
      return () => {
        clearInterval(timer);
        heads = new Map();
      };
    },
    /** What this process heard of: undefined may be anything. */
    dropped(tags: readonly string[] | undefined): void {
      const named = tags && new Set(tags.filter((tag) => isOfCaller.test(tag)));
      // What accounts may do is dropped with many a request: then nobody is looked for.
      if (named?.size === 0) return;
      const about = all().filter(
        ({ stream }) => !named || tagsOf(stream).some((tag) => named.has(tag)),
      );
      if (about.length === 0) return;
      if (dropped.size === 0) setImmediate(lookAtDropped);
      for (const one of about) dropped.add(one);
    },
  };
}

const hasMoved = (before: Head | undefined, now: Head | undefined): boolean =>
  now?.isRunning === true || before?.seq !== now?.seq || before?.ledgerSeq !== now?.ledgerSeq;

const isOfCaller = /^(?:account|key|login|session):/;

/** As auth.ts remembers callers by them. */
const tagsOf = ({ accountId, actor, sessionId }: StreamCaller): string[] => [
  `account:${accountId}`,
  actor,
  `session:${sessionId}`,
];
