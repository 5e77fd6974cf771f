import { expect, it } from "vitest";
import { createSeal } from "./seal.ts";

const [one, two] = ["a".repeat(32), "b".repeat(32)];

it("a secret can't be read where it waits, and comes out as it was", () => {
  const seal = createSeal([one]);
  const sealed = seal.seal({ token: "the-secret" });
  expect(JSON.stringify(sealed)).not.toContain("the-secret");
  expect(Buffer.from(sealed.sealed, "base64").toString("latin1")).not.toContain("the-secret");
  expect(seal.open(sealed)).toEqual({ token: "the-secret" });
  expect(seal.seal({ token: "the-secret" })).not.toEqual(sealed);
  expect(seal.open({ credits: 3 })).toEqual({ credits: 3 });
});

it("a secret key can be replaced while messages wait", () => {
  const sealed = createSeal([one]).seal({ n: 1 });
  expect(createSeal([two, one]).open(sealed)).toEqual({ n: 1 });
  expect(() => createSeal([two]).open(sealed)).toThrow("can't be unsealed");
});

it("what was changed or cut is refused for ever", () => {
  const seal = createSeal([one]);
  const bytes = Buffer.from(seal.seal({ n: 1 }).sealed, "base64");
  for (let at = 0; at < bytes.length; at++) {
    const wrong = Buffer.from(bytes);
    wrong[at] = (wrong[at] ?? 0) ^ 1;
    expect(() => seal.open({ sealed: wrong.toString("base64") })).toThrow("can't be unsealed");
  }
  for (const cut of [0, 5, 12, 20, bytes.length - 1]) {
    const sealed = bytes.subarray(0, cut).toString("base64");
    expect(() => seal.open({ sealed })).toThrow("can't be unsealed");
  }
});

it("what was sealed for one purpose is no use for another", () => {
  const sealed = createSeal([one], "webhook secrets").seal({ secret: "x" });
  expect(() => createSeal([one]).open(sealed)).toThrow("can't be unsealed");
  expect(createSeal([one], "webhook secrets").open(sealed)).toEqual({ secret: "x" });
});
