import type { Cache } from "@ducat/cache/cache";
import type { Db } from "@ducat/db/connect";
import { type Entitlements as Found, findEntitlements } from "@ducat/db/entitlements";
import {
  type ReleasedUsage,
  releaseUsage,
  type TrackedUsage,
  trackUsage,
  type UsageEvent,
} from "@ducat/db/usage";
import { DomainError } from "@ducat/types/errors";
import type { Logger } from "pino";
import { type Asked, type Checked, checkFeature } from "./check-feature.ts";
import {
  type AskedGeneration,
  endOfDay,
  mayBeFree,
  type Quote,
  quoteGeneration,
} from "./quote-generation.ts";
import { createRecent } from "./recent.ts";

/** How long a process may believe what it read; every change tells every process at once. */
const lifeMs = 5 * 60_000;
/** To be changed with the shape of what find_entitlements returns: processes share the values. */
const shape = 1;
/** How many of those who were served are remembered until somebody asks. */
const mostActive = 1_000;

/** Is told of every read and of what failed, for figures. */
export type Observer = {
  read(isHit: boolean): void;
  loaded(seconds: number): void;
  failed(what: "load" | "track" | "tell"): void;
};

export type EntitlementsDeps = { db: Db; cache: Cache; log: Pick<Logger, "warn"> };

export type Entitlements = {
  /** What an account may do now; no query while it is cached. Errors: not_found. */
  get(accountId: string): Promise<Found>;
  /** As `get`, and never what was kept before the call. */
  getFresh(accountId: string): Promise<Found>;
  /** Whether an account may use so much of a feature now; takes nothing. Errors: not_found. */
  check(accountId: string, asked: Asked): Promise<Checked>;
  /** Takes of a feature, once per event: see trackUsage. */
  track(accountId: string, event: UsageEvent): Promise<TrackedUsage>;
  /** Gives what an event took back, once. Errors: not_found. */
  release(accountId: string, eventId: string): Promise<ReleasedUsage>;
  /** What a generation takes and costs: see quoteGeneration. */
  quoteGeneration(
    accountId: string,
    asked: AskedGeneration & { findUnitCost: () => Promise<number | undefined> },
  ): Promise<Quote>;
  /** Whether a generation that is not free could be. */
  mayBeFree(accountId: string, asked: AskedGeneration): Promise<boolean>;
  /**
   * Something that this process has committed changed what is used: gone here at once, and in the
   * other processes as soon as they are told, which nobody waits for.
   */
  drop(accountId: string): void;
  /** Gone in this process: where the database has told the others itself. */
  forget(accountId: string): Promise<void>;
  /** As `get` for nobody who waits: it counts as no read, and the account as not served. */
  warm(accountId: string): Promise<void>;
  /** Who was served since this was asked last; the last 1,000. */
  takeActive(): string[];
  /** From now on the observer is told; the one before is not any more. */
  observe(observer: Observer): void;
};

/** What accounts may do, remembered in this process (and in Redis) until something changes it. */
export function createEntitlements(deps: EntitlementsDeps): Entitlements {
  const { db, cache, log } = deps;
  const told: { observer?: Observer } = {};
  const recent = createRecent(mostActive);
  const read = createReader(deps, told);

  const get = async (accountId: string) => {
    const reading = read(accountId);
    const found = await reading.found;
    told.observer?.read(reading.isHit());
    recent.add(accountId);
    return found;
  };
  const drop = (accountId: string) => {
    cache.drop([tagOf(accountId)]).catch((err: unknown) => {
      told.observer?.failed("tell");
      log.warn({ err }, "the other processes could not be told what an account has used");
    });
  };
  const forget = (accountId: string) => cache.forget([tagOf(accountId)]);
  /** Runs a write of usage, after which what is remembered is old. */
  const write = async <T extends { replayed: boolean }>(accountId: string, run: Promise<T>) => {
    try {
      const done = await run;
      if (!done.replayed) drop(accountId);
      return done;
    } catch (error) {
      if (isFault(error)) told.observer?.failed("track");
      throw error;
    }
  };

  return {
    get,
    async getFresh(accountId) {
      await forget(accountId);
      return await get(accountId);
    },
    check: async (accountId, asked) => checkFeature(await get(accountId), asked),
    track: (accountId, event) => write(accountId, trackUsage(db, accountId, event)),
    release: (accountId, eventId) => write(accountId, releaseUsage(db, accountId, eventId)),
    quoteGeneration: async (accountId, { findUnitCost, ...asked }) =>
      await quoteGeneration(await get(accountId), asked, findUnitCost),
    mayBeFree: async (accountId, asked) => mayBeFree(await get(accountId), asked),
    drop,
    forget,
    async warm(accountId) {
      await read(accountId).found;
    },
    takeActive: () => recent.takeAll(),
    observe(observer) {
      told.observer = observer;
    },
  };
}

const tagOf = (accountId: string) => `entitlements:${accountId}`;

type Reading = { found: Promise<Found>; isHit(): boolean };

/** Reads through the cache, and tells what reading has cost. */
function createReader({ db, cache }: EntitlementsDeps, told: { observer?: Observer }) {
  const load = async (accountId: string) => {
    const startedAt = performance.now();
    try {
      const found = await findEntitlements(db, accountId);
      told.observer?.loaded((performance.now() - startedAt) / 1_000);
      return found;
    } catch (error) {
      if (isFault(error)) told.observer?.failed("load");
      throw error;
    }
  };
  return (accountId: string): Reading => {
    let isHit = true;
    const found = cache.getOrSet<Found>(`entitlements:${shape}:${accountId}`, {
      ttlMs: lifeMs,
      ttlOf: readLifeMs,
      tags: ["entitlements", tagOf(accountId)],
      isShared: true,
      load: () => {
        isHit = false;
        return load(accountId);
      },
    });
    return { found, isHit: () => isHit };
  };
}

/** For how long it is true: until it changes by itself, or its day of credits ends. */
function readLifeMs({ now, next_change_at, limits }: Found): number {
  const ends = [next_change_at, limits.daily_credits === undefined ? null : endOfDay(now)];
  const moments = ends.filter((end) => end !== null).map((end) => Date.parse(end));
  // One less: both moments are cut to the millisecond.
  return Math.min(...moments, Number.POSITIVE_INFINITY) - Date.parse(now) - 1;
}

/** Whether it is our trouble and not a refusal. */
const isFault = (error: unknown) =>
  !(error instanceof DomainError) || error.code === "unavailable" || error.code === "internal";
