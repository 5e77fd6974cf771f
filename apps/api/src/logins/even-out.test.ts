import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type EvenStage, findDifference, setEvenStage, ways } from "../../test/even-times.ts";
import { askAuth, makeEmail, makePerson, password } from "../../test/person.ts";
import { ask, setStage } from "../../test/stage.ts";
import { logInByPhone, makePhone } from "../../test/telephone.ts";
import { createApp } from "../app.ts";

/** A sample of what even-out.long.test.ts tries 200 pairs of. */
const pairs = 24;

describe("who has a login", () => {
  let stage: EvenStage;
  beforeAll(async () => {
    stage = await setEvenStage();
  });
  afterAll(() => stage.close());

  it.each(ways)("is not told by the time of $path by $column", async (way) => {
    const { difference, noise, statuses } = await findDifference(stage, way, pairs);
    expect(statuses).toHaveLength(1);
    expect(difference).toBeLessThan(noise);
  });
});

it("whatever tells of an address or number takes its time, but for who succeeds", async () => {
  const stage = await setStage();
  onTestFinished(() => stage.close());
  const [{ email }, phone] = [await makePerson(stage), makePhone()];
  await logInByPhone(stage, phone);
  // More than the work takes on a busy machine: else it would hide that nobody waits.
  const floorMs = 1_500;
  const app = createApp({ ...stage.deps, logins: { ...stage.deps.logins, floorMs } });
  const even = { ...stage, app, call: (path: string, how = {}) => ask(app, path, how) };
  const timeOf = async ([path, body]: [string, object]) => {
    const from = performance.now();
    await askAuth(even, path, body);
    return { path, ms: performance.now() - from };
  };
  expect((await timeOf(["login", { email, password }])).ms).toBeLessThan(floorMs);
  const mails = [email, makeEmail()].flatMap((address): [string, object][] => [
    ["register", { email: address, password }],
    ["resend-verification", { email: address }],
    ["forgot-password", { email: address }],
    ["login", { email: address, password: `${password}!` }],
  ]);
  const calls = [phone, makePhone()].flatMap((number): [string, object][] => [
    ["register", { phone: number, password }],
    ["otp/send", { phone: number, purpose: "password_reset" }],
    ["login", { phone: number, password: `${password}!` }],
  ]);
  const times = await Promise.all([...mails, ...calls].map(timeOf));
  expect(times.filter(({ ms }) => ms < floorMs - 2)).toEqual([]);
});
