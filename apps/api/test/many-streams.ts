import { randomUUID } from "node:crypto";
import { relayEvents } from "@ducat/db/events";
import { openRawStreams } from "../../../infra/bench/raw-streams.ts";
import { createBus } from "../../../packages/events/src/bus.ts";
import type { ChildApi } from "./child-api.ts";
import { rootKey, type Stage } from "./stage.ts";

const perAccount = 100;
const mebibyte = 1024 * 1024;

export type StreamMemory = {
  /** MiB of the process before there were any, with all of them, and at most. */
  idle: number;
  open: number;
  peak: number;
  /** Milliseconds from a change of all accounts until all streams have told it. */
  told: number;
};

/** Opens so many streams of a process, lets something happen on each, and measures its memory. */
export async function measureStreams(
  { stage, api }: { stage: Stage; api: ChildApi },
  count: number,
): Promise<StreamMemory> {
  const accounts = await Promise.all(
    Array.from({ length: Math.ceil(count / perAccount) }, () => stage.makeAccount(1)),
  );
  const idle = (await api.readMemory()).rss;
  const headers = { authorization: `Bearer ${rootKey}` };
  const streams = await openRawStreams({ url: api.url, headers, accounts, count });
  const bus = createBus({ postgresUrl: stage.db.url, log: stage.deps.log });
  const since = performance.now();
  await Promise.all(
    accounts.map((account) =>
      stage.call(`/v1/admin/accounts/${account}/credits`, {
        ...{ key: randomUUID(), body: { amount: 1, reason: "for all" } },
      }),
    ),
  );
  const { accounts: told } = await relayEvents(stage.db.worker, { limit: 500 });
  for (const accountId of told) bus.publish({ accountId });
  await Promise.all(streams.map(({ until }) => until("event: credits.granted")));
  const ms = performance.now() - since;
  const { rss, peak } = await api.readMemory();
  await bus.close();
  for (const stream of streams) stream.close();
  const inMebibytes = (bytes: number) => Math.round(bytes / mebibyte);
  return {
    ...{ idle: inMebibytes(idle), open: inMebibytes(rss), peak: inMebibytes(peak) },
    told: Math.round(ms),
  };
}
