import { expect, it } from "vitest";
import { createCodeSecrets, makeBackupCode, makeCode } from "./code-secrets.ts";

const [one, two] = ["a".repeat(32), "b".repeat(32)];
const sent = { phone: "+989121234567", purpose: "login", code: "042917" } as const;

it("what is kept of a code depends on all that it is for, and on the secret", () => {
  const { hashCode } = createCodeSecrets([one]);
  const [kept] = hashCode(sent);
  const others = [
    hashCode({ ...sent, code: "042918" }),
    hashCode({ ...sent, purpose: "phone_verify" }),
    hashCode({ ...sent, phone: "+989121234568" }),
    createCodeSecrets([two]).hashCode(sent),
  ];
  for (const [other] of others) expect(other).not.toEqual(kept);
  expect(hashCode(sent)[0]).toEqual(kept);
});

it("a secret can be replaced while codes and second factors wait", () => {
  const before = createCodeSecrets([one]);
  const after = createCodeSecrets([two, one]);
  expect(after.hashCode(sent)).toContainEqual(before.hashCode(sent)[0]);
  expect(after.hashBackup("ada", "abc")).toContainEqual(before.hashBackup("ada", "abc")[0]);
  expect(after.unlock("ada", before.lock("ada", Buffer.from("secret")))).toEqual(
    Buffer.from("secret"),
  );
  const lost = createCodeSecrets([two]);
  expect(() => lost.unlock("ada", before.lock("ada", Buffer.from("secret")))).toThrow(
    "SECRET_KEYS",
  );
});

it("what an older secret has locked is locked anew by the newest, once", () => {
  const secret = Buffer.from("12345678901234567890");
  const old = createCodeSecrets([one]).lock("ada", secret);
  const { relock } = createCodeSecrets([two, one]);
  const anew = relock("ada", old) ?? old;
  expect(createCodeSecrets([two]).unlock("ada", anew)).toEqual(secret);
  expect(relock("ada", anew)).toBeUndefined();
  expect(() => relock("eve", old)).toThrow("SECRET_KEYS");
});

it("a locked secret is not what it was, not twice the same, and its login's only", () => {
  const { lock, unlock } = createCodeSecrets([one]);
  const secret = Buffer.from("12345678901234567890");
  const locked = lock("ada", secret);
  expect(locked.includes(secret)).toBe(false);
  expect(lock("ada", secret)).not.toEqual(locked);
  expect(() => unlock("eve", locked)).toThrow();
  for (let at = 0; at < locked.length; at++) {
    const changed = Buffer.from(locked);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(() => unlock("ada", changed)).toThrow();
  }
});

it("codes have six digits, zeros in front too, and any is as likely as another", () => {
  const codes = Array.from({ length: 20_000 }, makeCode);
  expect(codes.every((code) => /^\d{6}$/.test(code))).toBe(true);
  const firsts = codes.filter((code) => code.startsWith("0")).length;
  // 2,000 of 20,000, within five standard deviations.
  expect(Math.abs(firsts - 2_000)).toBeLessThan(213);
  expect(new Set(Array.from({ length: 1_000 }, makeBackupCode)).size).toBe(1_000);
  expect(makeBackupCode()).toMatch(/^[a-km-np-z2-9]{10}$/);
});
