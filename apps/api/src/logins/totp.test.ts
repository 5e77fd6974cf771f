import { expect, it } from "vitest";
import { codeOf, findStep, toBase32, writeOtpauthUrl } from "./totp.ts";

const secret = Buffer.from("12345678901234567890");

it("makes the codes of RFC 6238 (its last six digits) and RFC 4226", () => {
  const vectors: [seconds: number, code: string][] = [
    [59, "94287082"],
    [1_111_111_109, "07081804"],
    [1_111_111_111, "14050471"],
    [1_234_567_890, "89005924"],
    [2_000_000_000, "69279037"],
    [20_000_000_000, "65353130"],
  ];
  for (const [seconds, code] of vectors) {
    expect(codeOf(secret, Math.floor(seconds / 30)), `${seconds}`).toBe(code.slice(2));
  }
  const counted = ["755224", "287082", "359152", "969429", "338314"];
  counted.push("254676", "287922", "162583", "399871", "520489");
  expect(counted.map((_, step) => codeOf(secret, step))).toEqual(counted);
});

it("finds the step of a code of now, one before and one after, and of no other", () => {
  const now = 1_111_111_111_000;
  const step = Math.floor(1_111_111_111 / 30);
  for (const by of [-1, 0, 1]) {
    expect(findStep(secret, codeOf(secret, step + by), now)).toBe(step + by);
  }
  for (const by of [-3, -2, 2, 3]) {
    expect(findStep(secret, codeOf(secret, step + by), now)).toBeUndefined();
  }
  for (const odd of ["", "14050471", "50471", " 050471", "050471\n"]) {
    expect(findStep(secret, odd, now), odd).toBeUndefined();
  }
});

it("tells an app what it needs", () => {
  const texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map((text) => Buffer.from(text));
  // RFC 4648 section 10, without padding.
  const coded = ["", "MY", "MZXQ", "MZXW6", "MZXW6YQ", "MZXW6YTB", "MZXW6YTBOI"];
  expect(texts.map(toBase32)).toEqual(coded);
  expect(writeOtpauthUrl(secret, { name: "a:b@c.example", issuer: "shop & co" })).toBe(
    "otpauth://totp/shop%20%26%20co:a%3Ab%40c.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" +
      "&issuer=shop+%26+co&algorithm=SHA1&digits=6&period=30",
  );
});
