import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { askAuth, logIn, makeEmail, password, readMails, readToken } from "../../test/person.ts";
import { type Stage, setStage } from "../../test/stage.ts";
import { logInByPhone, makePhone, readCode } from "../../test/telephone.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
  stage.deps.logins.sms = { countries: [], dailyLimit: 1_000_000 };
});
afterAll(() => stage.close());

const owners = "the owner's own words";
const signUp = (email: string, text: string) =>
  askAuth(stage, "register", { email, password: text });
const follow = async (email: string, token?: string) =>
  (await askAuth(stage, "verify-email", { token: token ?? (await readToken(stage, email)) }))
    .status;
const enter = async (email: string, text: string) =>
  await askAuth(stage, "login", { email, password: text });

/** Somebody has signed up with an address that isn't theirs, and has a session. */
async function squat() {
  const email = makeEmail();
  await signUp(email, password);
  const { access_token: bearer, account_id: account } = await logIn(stage, email);
  return { email, bearer: String(bearer), account: String(account) };
}
const ask = (bearer: string, path: string, body: object) =>
  stage.call(`/v1/auth/${path}`, { bearer, body });
async function addPhone(bearer: string) {
  const phone = makePhone();
  expect((await ask(bearer, "phone", { phone })).status).toBe(202);
  const code = await readCode(stage, phone);
  expect((await ask(bearer, "phone/verify", { phone, code })).status).toBe(204);
  return phone;
}

describe("whoever signs up with an address that isn't theirs", () => {
  it("has not its owner's login by a number of their own, whichever way the owner comes", async () => {
    for (const way of ["register", "forgot-password"]) {
      const { email, bearer, account } = await squat();
      const phone = await addPhone(bearer);
      if (way === "forgot-password") await askAuth(stage, way, { email });
      if ((await readMails(stage, email))[0]?.kind !== "reset_password") {
        await signUp(email, owners);
        expect(await follow(email)).toBe(204);
      } else {
        const token = await readToken(stage, email, "reset_password");
        await askAuth(stage, "reset-password", { token, password: owners });
      }
      const own = (await enter(email, owners)).body.account_id;
      const theirs = (await logInByPhone(stage, phone)).account_id;
      expect([theirs, own !== theirs], way).toEqual([account, true]);
      expect((await enter(email, password)).status).toBe(401);
    }
  });

  it("can't put a second factor before it", async () => {
    const { email, bearer } = await squat();
    const offered = await ask(bearer, "totp", { password });
    expect([offered.status, offered.body.code]).toEqual([403, "not_verified"]);
    await signUp(email, owners);
    await follow(email);
    expect((await enter(email, owners)).body.access_token).toBeTypeOf("string");
  });

  it("has no password that works when the owner proves it by a link that was sent again", async () => {
    const { email, bearer } = await squat();
    await signUp(email, owners);
    await askAuth(stage, "resend-verification", { email });
    expect(await follow(email)).toBe(204);
    expect((await enter(email, password)).status).toBe(401);
    expect((await stage.call("/v1/me", { bearer })).status).toBe(401);
    await askAuth(stage, "forgot-password", { email });
    const token = await readToken(stage, email, "reset_password");
    await askAuth(stage, "reset-password", { token, password: owners });
    expect((await enter(email, owners)).status).toBe(200);
  });

  it("has none either when the owner's own sign-up was days ago", async () => {
    const { email } = await squat();
    await signUp(email, owners);
    await stage.db.admin`UPDATE ducat.verifications SET expires_at = now() - interval '3 days'
      WHERE value = (SELECT id::text FROM ducat.logins WHERE email = ${email})`;
    // Those of others make room for new ones.
    for (let n = 0; n < 3; n++) await signUp(makeEmail(), password);
    await askAuth(stage, "resend-verification", { email });
    expect(await follow(email)).toBe(204);
    expect((await enter(email, password)).status).toBe(401);
  });
});

it("a link that was sent again leaves the password of the only one who signed up", async () => {
  const email = makeEmail();
  await signUp(email, owners);
  const { access_token: bearer } = (await enter(email, owners)).body;
  await askAuth(stage, "resend-verification", { email });
  expect(await follow(email)).toBe(204);
  expect((await stage.call("/v1/me", { bearer })).status).toBe(200);
  expect((await enter(email, owners)).status).toBe(200);
});
