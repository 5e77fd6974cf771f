import { randomUUID } from "node:crypto";
import type { Signal } from "@ducat/events/bus";
import { afterAll, beforeAll, expect, it } from "vitest";
import { order, type Stage, setStage } from "../test/stage.ts";

let stage: Stage;
let told: Signal[] = [];
beforeAll(async () => {
  const bus = {
    publish: (signal: Signal) => void told.push(signal),
    subscribe: () => () => undefined,
    flush: async () => {},
    close: async () => {},
  };
  stage = await setStage({ deps: { bus } });
});
afterAll(() => stage.close());

/** What a request tells. */
async function tellsOf(path: string, how: Parameters<Stage["call"]>[1]) {
  told = [];
  const { status, body } = await stage.call(path, how);
  return { status, body, told };
}

it("tells of what moves credits and items, once the answer is made", async () => {
  const account = await stage.makeAccount(10);
  const signal = { accountId: account };
  const key = () => randomUUID();
  const made = await tellsOf("/v1/generations", { account, key: key(), body: order() });
  expect([made.status, made.told]).toEqual([201, [signal]]);
  const generationId = made.body.id;
  const path = `/v1/generations/${generationId}`;
  const canceled = await tellsOf(`${path}/cancel`, { account, method: "POST" });
  expect([canceled.status, canceled.told]).toEqual([200, [signal, { ...signal, generationId }]]);
  const spent = { amount: 1, description: "for a test" };
  const consumed = await tellsOf("/v1/credits/consume", { account, key: key(), body: spent });
  expect([consumed.status, consumed.told]).toEqual([201, [signal]]);
});

it("tells of what admins move, whatever name they know the account by", async () => {
  const externalId = `x-${randomUUID()}`;
  const { body } = await stage.call("/v1/accounts", { body: { external_id: externalId } });
  const change = { amount: 5, reason: "for a test" };
  const path = `/v1/admin/accounts/${externalId}/credits`;
  const { status, told } = await tellsOf(path, { key: randomUUID(), body: change });
  expect([status, told]).toEqual([201, [{ accountId: body.id }]]);
  const move = { account: body.id, seconds: 60 };
  const clock = await tellsOf("/v1/admin/clock/advance", { body: move });
  expect([clock.status, clock.told]).toEqual([200, [{ accountId: body.id }]]);
});

it("tells nothing of refusals, of questions, and of what moves nothing", async () => {
  const account = await stage.makeAccount();
  const refused = await tellsOf("/v1/generations", { account, key: "r", body: { style: "none" } });
  expect([refused.status, refused.told]).toEqual([422, []]);
  const asked = await tellsOf("/v1/generations/estimate", { account, body: order() });
  expect([asked.status, asked.told]).toEqual([200, []]);
  const read = await tellsOf("/v1/credits/balance", { account });
  expect([read.status, read.told]).toEqual([200, []]);
  const album = await tellsOf("/v1/albums", { account, body: { name: "one" } });
  expect(album.told).toEqual([]);
});
