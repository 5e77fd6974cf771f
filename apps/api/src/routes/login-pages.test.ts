import { afterAll, beforeAll, expect, it } from "vitest";
import { open } from "../../test/customer.ts";
import { askAuth, logIn, makeEmail, makePerson, password, readToken } from "../../test/person.ts";
import { type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const other = "another horse, the same staple";
const visit = (path: string, form?: Record<string, string>) => open(stage, `/auth/${path}`, form);

it("a mailed link shows a button, and only the button uses it up", async () => {
  const email = makeEmail();
  await askAuth(stage, "register", { email, password });
  const token = await readToken(stage, email);
  for (let n = 0; n < 3; n++) {
    const page = await visit(`verify-email?token=${token}`);
    expect([page.status, page.text.includes(`value="${token}"`)]).toEqual([200, true]);
    expect(page.headers.get("content-security-policy")).toContain("form-action 'self'");
    expect(page.headers.get("referrer-policy")).toBe("no-referrer");
    expect(page.headers.get("cache-control")).toBe("no-store");
  }
  expect((await logIn(stage, email)).is_verified).toBe(false);
  const done = await visit("verify-email", { token });
  expect([done.status, done.text.includes("Confirmed")]).toEqual([200, true]);
  expect((await logIn(stage, email)).is_verified).toBe(true);
  expect((await visit("verify-email", { token })).status).toBe(410);
});

it("a page for a new password takes another one when the first was too short", async () => {
  const { email } = await makePerson(stage);
  await askAuth(stage, "forgot-password", { email });
  const token = await readToken(stage, email, "reset_password");
  expect((await visit(`reset-password?token=${token}`)).text).toContain('type="password"');
  const weak = await visit("reset-password", { token, password: "short" });
  expect([weak.status, weak.text.includes(`value="${token}"`)]).toEqual([422, true]);
  expect((await visit("reset-password", { token, password: other })).status).toBe(200);
  expect((await visit("reset-password", { token, password: other })).status).toBe(410);
  expect((await askAuth(stage, "login", { email, password: other })).status).toBe(200);
});

it("what stands in an address stays text", async () => {
  const hostile = `"><script>alert(1)</script>`;
  for (const path of ["verify-email", "reset-password"]) {
    const { text } = await visit(`${path}?token=${encodeURIComponent(hostile)}`);
    expect(text).not.toContain("<script");
    expect((await visit(path)).status).toBe(200);
  }
  expect((await visit("verify-email", { token: hostile })).status).toBe(410);
  expect((await visit("verify-email", {})).status).toBe(410);
  const huge = await visit("reset-password", { token: "x".repeat(5_000) });
  expect(huge.status).toBe(503);
});

it("no token is in a log", async () => {
  const email = makeEmail();
  await askAuth(stage, "register", { email, password });
  const token = await readToken(stage, email);
  await visit(`verify-email?token=${token}`);
  await visit("verify-email", { token });
  expect(stage.lines.join()).not.toContain(token);
});
