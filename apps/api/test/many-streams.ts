import { randomUUID } from "node:crypto";
import { type ClientRequest, get } from "node:http";
import { relayEvents } from "@ducat/db/events";
import { createBus } from "../../../packages/events/src/bus.ts";
import type { ChildApi } from "./child-api.ts";
import { rootKey, type Stage } from "./stage.ts";

const perAccount = 100;
const mebibyte = 1024 * 1024;

/** A raw stream, of which only what it waits for is kept. */
type RawStream = { request: ClientRequest; until(text: string): Promise<void> };

function open(url: string, account: string): Promise<RawStream> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${rootKey}`, "ducat-account": account };
    const request = get(`${url}/v1/events/stream`, { agent: false, headers }, (response) => {
      let rest = "";
      let tell = () => {};
      response.setEncoding("utf8").on("data", (text: string) => {
        rest = (rest + text).slice(-2_000);
        tell();
      });
      response.on("error", () => undefined);
      const until = (text: string) =>
        new Promise<void>((found) => {
          tell = () => rest.includes(text) && found();
          tell();
        });
      if (response.statusCode === 200) resolve({ request, until });
      else reject(new Error(`A stream was refused with ${response.statusCode}.`));
    });
    request.on("error", reject);
  });
}

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
  const streams: RawStream[] = [];
  for (let at = 0; at < count; at += 50) {
    const places = Array.from({ length: Math.min(50, count - at) }, (_, n) => at + n);
    const accountOf = (place: number) => accounts[place % accounts.length] ?? "";
    const some = await Promise.all(places.map((place) => open(api.url, accountOf(place))));
    await Promise.all(some.map(({ until }) => until("event: balance")));
    streams.push(...some);
  }
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
  for (const { request } of streams) request.destroy();
  const inMebibytes = (bytes: number) => Math.round(bytes / mebibyte);
  return {
    ...{ idle: inMebibytes(idle), open: inMebibytes(rss), peak: inMebibytes(peak) },
    told: Math.round(ms),
  };
}
