import type { LookupAddress, LookupOptions } from "node:dns";
import type { LookupFunction } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type NameServer, startNameServer } from "../test/name-server.ts";
import { createNameLookup } from "./name-lookup.ts";
import { lookupPublic } from "./public-address.ts";

let server: NameServer;
beforeAll(async () => {
  server = await startNameServer((name, type) => {
    if (name.startsWith("silent")) return undefined;
    if (name === "six.test") return type === "AAAA" ? ["2606:4700::1111"] : [];
    if (name === "both.test") return type === "AAAA" ? ["2606:4700::1111"] : ["93.184.215.14"];
    if (name === "mixed.test") return type === "AAAA" ? ["::1"] : ["93.184.215.14"];
    return [];
  });
});
afterAll(() => server.close());

const ask = (lookup: LookupFunction, name: string, options: LookupOptions = { all: true }) =>
  new Promise<LookupAddress[] | string>((resolve, reject) => {
    lookup(name, options, (error, found) => (error ? reject(error) : resolve(found)));
  });
const createLookup = () => createNameLookup({ servers: [server.address], timeoutMs: 50 });

it("finds the addresses of both families, or of the one that is asked for", async () => {
  const lookup = createLookup();
  const four = { address: "93.184.215.14", family: 4 };
  const six = { address: "2606:4700::1111", family: 6 };
  expect(await ask(lookup, "both.test")).toEqual([four, six]);
  expect(await ask(lookup, "both.test", { all: true, family: 4 })).toEqual([four]);
  expect(await ask(lookup, "both.test", { all: true, family: "IPv6" })).toEqual([six]);
  expect(await ask(lookup, "both.test", {})).toBe(four.address);
  expect(await ask(lookup, "six.test")).toEqual([six]);
});

it("fails for names without an address and for servers that are silent", async () => {
  const lookup = createLookup();
  await expect(ask(lookup, "nothing.test")).rejects.toMatchObject({ code: "ENODATA" });
  await expect(ask(lookup, "silent.test")).rejects.toMatchObject({ code: "ETIMEOUT" });
});

it("knows no hosts file", async () => {
  await expect(ask(createLookup(), "localhost")).rejects.toThrow();
});

it("leaves the judgement to who wraps it", async () => {
  const lookup = lookupPublic(createLookup());
  await expect(ask(lookup, "mixed.test")).rejects.toThrow("is not allowed");
  expect(await ask(lookup, "both.test")).toHaveLength(2);
});

it("waits for many silent servers at once, and for others beside them", async () => {
  const lookup = createLookup();
  const silent = Array.from({ length: 64 }, (_, n) => ask(lookup, `silent-${n}.test`));
  const failed = Promise.allSettled(silent).then(() => "silent");
  expect(await Promise.race([failed, ask(lookup, "six.test")])).not.toBe("silent");
  expect(await failed).toBe("silent");
});
