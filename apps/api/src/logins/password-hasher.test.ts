import { connectLoginStore } from "@ducat/db/logins";
import { expect, it, onTestFinished } from "vitest";
import { askAuth, makeEmail, makePerson, password } from "../../test/person.ts";
import { ask, setStage } from "../../test/stage.ts";
import { makePhone } from "../../test/telephone.ts";
import { createApp } from "../app.ts";
import { createIdentity } from "./identity.ts";
import { createPasswordHasher } from "./password-hasher.ts";
import { createPhonePasswords } from "./phone-password.ts";

const busy = { code: "unavailable", detail: { extra: { reason: "busy" } } };

it("a few passwords at a time are hashed, some wait, and the rest is refused at once", async () => {
  const { hash, verify } = createPasswordHasher({ memoryKib: 8, passes: 1 });
  const hashed = await hash("one");
  const all = Array.from({ length: 70 }, (_, n) => (n % 2 ? hash("one") : verify(hashed, "one")));
  const done = await Promise.allSettled(all);
  const refused = done.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  expect(refused).toHaveLength(70 - 62);
  for (const reason of refused) expect(reason).toMatchObject(busy);
  expect(await verify(hashed, "two")).toBe(false);
});

it("who comes to a full line is told that, be they known or not, and it is no fault", async () => {
  const stage = await setStage();
  const store = connectLoginStore({ url: stage.db.url });
  onTestFinished(async () => {
    await store.close();
    await stage.close();
  });
  const hasher = createPasswordHasher(
    { memoryKib: 19_456, passes: 3 },
    { slots: 1, mostWaiting: 0 },
  );
  const how = { store, hasher, secret: "x".repeat(32), publicUrl: "http://ducat.test" };
  const identity = createIdentity({ ...how, resetSeconds: 60 });
  const logins = { ...stage.deps.logins, identity, phonePasswords: createPhonePasswords(how) };
  const app = createApp({ ...stage.deps, logins });
  const full = { ...stage, app, call: (path: string, call = {}) => ask(app, path, call) };
  const { email, loginId } = await makePerson(stage);
  await stage.db.admin`
    UPDATE ducat.login_credentials SET password = ${await hasher.hash(password)}
    WHERE login_id = ${loginId}`;
  const wrong = `${password}!`;
  const bodies = [
    ["login", { email, password: wrong }],
    ["login", { email: makeEmail(), password: wrong }],
    ["login", { phone: makePhone(), password: wrong }],
    ["register", { email: makeEmail(), password: wrong }],
  ] as const;
  for (const [path, body] of bodies) {
    const answers = await Promise.all(Array.from({ length: 5 }, () => askAuth(full, path, body)));
    const told = answers.filter(({ status }) => status === 503);
    expect(told.length, path).toBeGreaterThan(0);
    expect(told.map(({ body }) => body.reason)).toEqual(told.map(() => "busy"));
    expect(new Set(answers.map(({ status }) => status)).size).toBe(2);
  }
  expect(stage.lines.filter((line) => JSON.parse(line).level >= 50)).toEqual([]);
});
