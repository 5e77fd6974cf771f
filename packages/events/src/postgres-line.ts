import { withDeadline } from "@ducat/queue/deadline";
import postgres from "postgres";
import { channel, type Hear, type Line, type Log } from "./line.ts";

const relistenMs = 1_000;
const closeLimitS = 1;

/**
 * The line on PostgreSQL's notifications. A commit that notifies waits for every other one that
 * does, so these have a connection and a transaction of their own, and none of the ledger's.
 */
export function openPostgresLine(url: string, log: Log, sendLimitMs: number): Line {
  let sending: postgres.Sql | undefined;
  const listeners = new Set<() => void>();

  return {
    async send(messages) {
      sending ??= connect(url, 60);
      const sql = sending;
      try {
        const sent = sql`
          SELECT pg_notify(${channel}, said) FROM unnest(${messages}::text[]) AS said`;
        await withDeadline(sent, sendLimitMs, "PostgreSQL");
      } catch (error) {
        // A connection that is gone in silence would keep all that comes after waiting.
        if (sending === sql) sending = undefined;
        sql.end({ timeout: 0 }).catch(() => undefined);
        throw error;
      }
    },
    listen(hear) {
      const stop = listen(url, hear, log);
      listeners.add(stop);
      return () => {
        listeners.delete(stop);
        stop();
      };
    },
    async close() {
      for (const stop of listeners) stop();
      listeners.clear();
      await sending?.end({ timeout: closeLimitS });
    },
  };
}

function connect(url: string, idleSeconds: number | undefined): postgres.Sql {
  return postgres(url, {
    max: 1,
    ...(idleSeconds !== undefined && { idle_timeout: idleSeconds }),
    connect_timeout: 5,
    backoff: (tries) => Math.min(2 ** tries * 0.05, 1),
    // A signal is of use to those who live, so that no disk needs to be waited for.
    connection: { application_name: "ducat events", synchronous_commit: "off" },
    onnotice: () => {},
  });
}

/** The driver listens again by itself after a cut, once it has listened for the first time. */
function listen(url: string, hear: Hear, log: Log): () => void {
  const sql = connect(url, undefined);
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  const onMessage = (text: string) => {
    if (!isStopped) hear.message(text);
  };
  const onListen = () => {
    if (!isStopped) hear.back();
  };
  const begin = () => {
    sql.listen(channel, onMessage, onListen).catch((err: unknown) => {
      if (isStopped) return;
      log.warn({ err }, "the bus can't hear the other processes yet");
      timer = setTimeout(begin, relistenMs).unref();
    });
  };
  begin();
  return () => {
    isStopped = true;
    clearTimeout(timer);
    sql.end({ timeout: closeLimitS }).catch(() => undefined);
  };
}
