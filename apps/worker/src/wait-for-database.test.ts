import { DomainError } from "@ducat/types/errors";
import { expect, it } from "vitest";
import { waitForDatabase } from "./wait-for-database.ts";

const away = () => new DomainError("unavailable");
const failing = (error: () => Error, times: number) => {
  let calls = 0;
  const ask = async () => {
    calls += 1;
    if (calls <= times) throw error();
    return "answer";
  };
  return { ask, calls: () => calls };
};

it("asks again until the database is back", async () => {
  const { ask, calls } = failing(away, 3);
  expect(await waitForDatabase(10_000, ask)).toBe("answer");
  expect(calls()).toBe(4);
});

it("gives up after its limit with the database's own refusal", async () => {
  const { ask, calls } = failing(away, Number.POSITIVE_INFINITY);
  await expect(waitForDatabase(250, ask)).rejects.toMatchObject({ code: "unavailable" });
  expect(calls()).toBe(2);
});

it("does not repeat what was refused", async () => {
  const { ask, calls } = failing(() => new DomainError("invalid_state"), 1);
  await expect(waitForDatabase(10_000, ask)).rejects.toMatchObject({ code: "invalid_state" });
  expect(calls()).toBe(1);
});
