import type { Logger } from "pino";
import postgres from "postgres";
import { channel, createTell, makeName, readTold, type Tell } from "./tell-others.ts";

/** The line to the other processes with a cache. */
export type Others = { tell: Tell; close(): Promise<void> };

type Hear = {
  tags(tags: string[]): void;
  /** The line is there, for the first time or again: what was said before is not known. */
  back(): void;
};

/** Opens the line over PostgreSQL's notifications and keeps it open, for as long as it takes. */
export function connectOthers(url: string, hear: Hear, log: Pick<Logger, "warn">): Others {
  const sql = postgres(url, {
    max: 1,
    idle_timeout: 60,
    connect_timeout: 10,
    backoff: (tries) => Math.min(2 ** tries * 0.05, 1),
    // A notification is of use to those who live, so that no disk needs to be waited for.
    connection: { application_name: "ducat cache", synchronous_commit: "off" },
    onnotice: () => {},
  });
  const name = makeName();
  let isClosed = false;
  const onNotify = (payload: string) => {
    if (isClosed) return;
    const { from, tags } = readTold(payload);
    // What this process says it has done before it says it.
    if (from === name) return;
    if (tags) hear.tags(tags);
    else hear.back();
  };
  const onListen = () => {
    if (!isClosed) hear.back();
  };

  async function listen(): Promise<void> {
    while (!isClosed) {
      try {
        await sql.listen(channel, onNotify, onListen);
        return;
      } catch (err) {
        if (isClosed) return;
        log.warn({ err }, "the cache can't hear the other processes yet");
        await new Promise((resolve) => setTimeout(resolve, 1_000).unref());
      }
    }
  }
  const listening = listen();

  return {
    tell: createTell((payload) => sql.notify(channel, payload), name),
    async close() {
      isClosed = true;
      await sql.end({ timeout: 5 });
      await listening.catch(() => undefined);
    },
  };
}
