import { Counter, Gauge, Histogram, type Registry } from "prom-client";

export type StreamKind = "account" | "generation";
/** Why a stream ended. */
export type StreamEnd =
  | "finished"
  | "left"
  | "slow"
  | "expired"
  | "revoked"
  | "stopping"
  | "failed";

export type StreamMeter = {
  opened(kind: StreamKind): void;
  ended(kind: StreamKind, why: StreamEnd): void;
  /** From a signal until what it was about is written. */
  waited(seconds: number): void;
};

/** Numbers of this process's streams. */
export function measureStreams(registry: Registry): StreamMeter {
  const registers = [registry];
  const open = new Gauge({
    name: "ducat_streams",
    help: "Open streams, by what they are of.",
    labelNames: ["kind"],
    registers,
  });
  const ends = new Counter({
    name: "ducat_streams_ended_total",
    help: "Streams that ended, by why.",
    labelNames: ["kind", "why"],
    registers,
  });
  const lag = new Histogram({
    name: "ducat_stream_lag_seconds",
    help: "Time from a signal until its events are handed to the reader's connection.",
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  return {
    opened: (kind) => open.inc({ kind }),
    ended(kind, why) {
      open.dec({ kind });
      ends.inc({ kind, why });
    },
    waited: (seconds) => lag.observe(seconds),
  };
}
