import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeEmail, makePerson, password } from "../../test/person.ts";
import { type Stage, setStage } from "../../test/stage.ts";
import { createApp } from "../app.ts";
import { widen } from "./take-limits.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const wrong = "wrong horse battery";
let places = 0;
const makeIp = () => `198.51.${100 + Math.floor(places / 250)}.${1 + (places++ % 250)}`;

/** A request from this address, through as many of our proxies. */
async function askFrom(
  ip: string,
  path: string,
  body: object,
  { forwarded, hops = 0 }: { forwarded?: string; hops?: number } = {},
) {
  const app = hops === 0 ? stage.app : createApp({ ...stage.deps, proxyHops: hops });
  const headers = new Headers({ "content-type": "application/json" });
  if (forwarded !== undefined) headers.set("x-forwarded-for", forwarded);
  const init = { method: "POST", headers, body: JSON.stringify(body) };
  const env = { incoming: { socket: { remoteAddress: ip } } };
  return await app.request(`/v1/auth/${path}`, init, env as object);
}

const guess = (ip: string, email: string, how = {}) =>
  askFrom(ip, "login", { email, password: wrong }, how);

describe("guesses at a password", () => {
  it("are ten from one place, of forty at once exactly, then even the right one waits", async () => {
    const { email } = await makePerson(stage);
    const ip = makeIp();
    const all = await Promise.all(Array.from({ length: 40 }, () => guess(ip, email)));
    const statuses = all.map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(10);
    expect(statuses.filter((status) => status === 429)).toHaveLength(30);
    const right = await askFrom(ip, "login", { email, password });
    expect(right.status).toBe(429);
    const body = (await right.json()) as { code: string; retry_after_s: number };
    expect(right.headers.get("retry-after")).toBe(String(body.retry_after_s));
    expect(body.retry_after_s).toBeGreaterThan(800);
    // Its owner is elsewhere, and isn't kept out.
    expect((await askFrom(makeIp(), "login", { email, password })).status).toBe(200);
  });

  it("from many places are fifty an hour", async () => {
    const { email } = await makePerson(stage);
    const statuses: number[] = [];
    for (let n = 0; n < 52; n++) statuses.push((await guess(makeIp(), email)).status);
    expect(statuses.filter((status) => status === 429)).toHaveLength(2);
  });

  it("are counted alike for an address that nobody has", async () => {
    const [ip, email] = [makeIp(), makeEmail()];
    const statuses: number[] = [];
    for (let n = 0; n < 11; n++) statuses.push((await guess(ip, email.toUpperCase())).status);
    expect(statuses).toEqual([...Array(10).fill(401), 429]);
  });

  it("can't be made from elsewhere by saying so", async () => {
    const [ip, email] = [makeIp(), makeEmail()];
    for (let n = 0; n < 10; n++) await guess(ip, email, { forwarded: `203.0.113.${n}` });
    expect((await guess(ip, email, { forwarded: "203.0.113.99" })).status).toBe(429);
    // Behind one proxy of ours its word counts, and only the last one, which it wrote itself.
    const proxy = { hops: 1, forwarded: "9.9.9.9, 192.0.2.7" };
    for (let n = 0; n < 10; n++) {
      await guess(ip, email, { ...proxy, forwarded: `9.9.9.${n}, 192.0.2.7` });
    }
    expect((await guess(ip, email, proxy)).status).toBe(429);
    expect((await guess(ip, email, { ...proxy, forwarded: "192.0.2.8" })).status).toBe(401);
  });
});

describe("mails", () => {
  it("to an address are five an hour, whatever asks for them and whoever has it", async () => {
    const { email } = await makePerson(stage);
    const paths = ["forgot-password", "resend-verification", "register"];
    for (const address of [email, makeEmail()]) {
      const statuses: number[] = [];
      const ip = makeIp();
      for (let n = 0; n < 6; n++) {
        const path = paths[n % 3] ?? "";
        const body = path === "register" ? { email: address, password } : { email: address };
        statuses.push((await askFrom(ip, path, body)).status);
      }
      // Whoever signed up before has had one already.
      const left = address === email ? 4 : 5;
      expect(statuses).toEqual([...Array(left).fill(202), ...Array(6 - left).fill(429)]);
    }
  });

  it("from one place are thirty an hour", async () => {
    const ip = makeIp();
    const statuses = await Promise.all(
      Array.from(
        { length: 40 },
        async () => (await askFrom(ip, "forgot-password", { email: makeEmail() })).status,
      ),
    );
    expect(statuses.filter((status) => status === 202)).toHaveLength(30);
  });
});

it("what is counted names nobody", async () => {
  const email = makeEmail();
  await guess("192.0.2.55", email);
  const rows = await stage.db.admin`SELECT key FROM ducat.rate_limits`;
  expect(rows.length).toBeGreaterThan(2);
  expect(JSON.stringify(rows)).not.toMatch(/192\.0\.2\.55|@|home\.example/);
  expect(JSON.stringify(rows)).not.toContain(email.split("@")[0]);
});

it("an IPv6 network is one place", () => {
  expect(widen("2001:db8:1:2:aaaa::1")).toBe("2001:db8:1:2");
  expect(widen("2001:0DB8:0001:0002::")).toBe("2001:db8:1:2");
  expect(widen("2001:db8::5")).toBe("2001:db8:0:0");
  expect(widen("::1")).toBe("0:0:0:0");
  expect(widen("192.0.2.1")).toBe("192.0.2.1");
});
