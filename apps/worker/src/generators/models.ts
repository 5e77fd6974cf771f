import type { Db } from "@ducat/db/connect";
import type { Log } from "../log.ts";
import type { ItemMeter, ProviderMeter } from "../meter.ts";
import { type Repeating, repeat } from "../repeat.ts";
import type { Timings } from "../timings.ts";
import type { Generator } from "./generator.ts";
import { createProviderGate, type ProviderLimits } from "./provider-gate.ts";
import { createRouter, type RouteModels } from "./route-models.ts";

export type Models = {
  route: RouteModels;
  /** Gives back now and then what of the caps is not needed. */
  start(): Repeating[];
  /** Gives back all of it; nothing may be asked any more. */
  close(): Promise<void>;
};

export type ModelsDeps = {
  db: Db;
  log: Log;
  meter: ProviderMeter & ItemMeter;
  /** By the name that a style gives. */
  generators: Record<string, Generator>;
  /** What may be asked of them; one that is not listed has no limits. */
  providers: ProviderLimits[];
  timings: Timings["models"];
};

/** All that a worker can make things with, and how it gets on with their providers. */
export function createModels(deps: ModelsDeps): Models {
  const { log, providers, timings } = deps;
  const gates = new Map(providers.map((one) => [one.name, createProviderGate(deps, one)]));
  const flush = async (isLast: boolean) => {
    for (const gate of gates.values()) await gate.flush(isLast);
  };
  return {
    route: createRouter({ ...deps, gates }),
    start() {
      if (!providers.some((one) => one.daily_cap_micros !== undefined)) return [];
      const task = { name: "provider budgets", everyMs: timings.flushMs, log };
      return [repeat(task, () => flush(false))];
    },
    close: () => flush(true),
  };
}
