import type { Db } from "@ducat/db/connect";
import type { ClaimedItem } from "@ducat/db/items";
import { progressTextLimit, type Progress as Row, saveProgress } from "@ducat/db/progress";
import type { Bus } from "@ducat/events/bus";
import type { Progress as Said } from "./generators/generator.ts";
import type { Log } from "./log.ts";
import { safeError } from "./safe-error.ts";
import { toStorable } from "./storable-text.ts";

const usual = { everyMs: 250, restMs: 2_000 };

export type ProgressDeps = {
  db: Db;
  bus: Pick<Bus, "publish">;
  log: Pick<Log, "warn">;
  /** Between two writes; each takes what all items of this process have said meanwhile. */
  everyMs?: number;
  /** … after one that failed: the database has other worries. */
  restMs?: number;
};

type Item = Pick<ClaimedItem, "account_id" | "generation_id" | "item_id" | "attempt">;

export type Reporting = {
  /** Takes what a generator says. Never throws and never waits. */
  report(said: Said): void;
  /** Nothing that is said from now on is heard. */
  end(): void;
};

/** Passes on what generators say of their work to those who watch it. */
export type Progress = {
  follow(item: Item): Reporting;
  /** Ends when what is being written is written; what was said since is forgotten. */
  close(): Promise<void>;
};

/**
 * Writes how far items are where streams read it, and wakes those. Of each item the newest is kept
 * here and nothing else, and one write goes at a time: a database that is slow or away makes what
 * is seen coarser and keeps no work waiting.
 */
export function createProgress(deps: ProgressDeps): Progress {
  const { db, bus, log, everyMs, restMs } = { ...usual, ...deps };
  const following = new Set<Followed>();
  let timer: NodeJS.Timeout | undefined;
  let saving: Promise<void> | undefined;
  let savedAt = Number.NEGATIVE_INFINITY;
  let isAway = false;
  let isClosed = false;

  const save = async () => {
    const taken = [...following].flatMap((one) => {
      const row = one.take();
      return row ? [{ one, row }] : [];
    });
    if (taken.length === 0) return;
    savedAt = performance.now();
    const rows = taken.map(({ row }) => row);
    try {
      await saveProgress(db, rows);
      isAway = false;
      for (const { accountId, generationId } of rows) bus.publish({ accountId, generationId });
    } catch (error) {
      if (!isAway) log.warn({ err: safeError(error) }, "nobody sees how far the work is");
      isAway = true;
      for (const { one } of taken) one.giveBack();
    }
  };
  const wake = () => {
    if (isClosed || timer || saving) return;
    const pauseMs = isAway ? restMs : everyMs;
    timer = setTimeout(run, Math.max(0, savedAt + pauseMs - performance.now())).unref();
  };
  const run = () => {
    timer = undefined;
    saving = save().finally(() => {
      saving = undefined;
      if ([...following].some((one) => one.hasNews())) wake();
    });
  };

  return {
    follow(item) {
      const one = followItem(item);
      following.add(one);
      return {
        report(said) {
          if (!following.has(one)) return;
          one.hear(said);
          if (one.hasNews()) wake();
        },
        end: () => void following.delete(one),
      };
    },
    async close() {
      isClosed = true;
      following.clear();
      clearTimeout(timer);
      await saving;
    },
  };
}

type Followed = ReturnType<typeof followItem>;

/** What one attempt has said, and how much of it is written. */
function followItem(item: Item) {
  const row = {
    accountId: item.account_id,
    generationId: item.generation_id,
    itemId: item.item_id,
    attempt: item.attempt,
  };
  let fraction: number | undefined;
  let text = "";
  let hasNews = false;
  let written: { fraction?: number | undefined; text: string } = { text: "" };
  let before = written;

  return {
    hear(said: Said) {
      // Work does not become undone, whatever a provider counts.
      if (said.fraction !== undefined && said.fraction > (fraction ?? -1)) {
        fraction = Math.min(said.fraction, 1);
        hasNews = true;
      }
      if (said.text !== undefined && said.text !== text) {
        text = said.text;
        hasNews = true;
      }
    },
    hasNews: () => hasNews,
    /** What is to be written, undefined for nothing. */
    take(): Row | undefined {
      hasNews = false;
      const shown = toShown(text);
      // Who has read the beginning reads on from there: a text that became another stays unseen.
      const grows = shown.length > written.text.length && shown.startsWith(written.text);
      const moves = fraction !== written.fraction;
      if (!grows && !moves) return undefined;
      before = written;
      written = { fraction, text: grows ? shown : written.text };
      return { ...row, ...(moves && { fraction }), ...(grows && { text: shown }) };
    },
    /** What was taken last could not be written. */
    giveBack() {
      written = before;
      hasNews = true;
    },
  };
}

/** A text in the making as it is shown: what a later one begins with, if the model keeps to it. */
function toShown(text: string): string {
  // The end may be half of a character.
  const whole = text.slice(0, progressTextLimit).replace(/[\ud800-\udbff]$/, "");
  return toStorable(whole, progressTextLimit).trimStart();
}
