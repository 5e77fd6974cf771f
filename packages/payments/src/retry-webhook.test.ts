import { DomainError } from "@ducat/types/errors";
import { describe, expect, it } from "vitest";
import {
  judgeFailure,
  judgeUnknown,
  retryDelaySeconds,
  unknownForSeconds,
} from "./retry-webhook.ts";

const middle = () => 0.5;
const sum = (tries: number) =>
  Array.from({ length: tries }, (_, n) => retryDelaySeconds(n + 1, undefined, middle)).reduce(
    (all, one) => all + one,
    0,
  );
const triesUntilDead = (error: unknown) => {
  let tries = 1;
  while (judgeFailure(error, tries).status !== "dead") tries += 1;
  return tries;
};

describe("an event that could not be processed", () => {
  it("is tried after 5 s first, then twice as late each time, never later than an hour", () => {
    const delays = [1, 2, 3, 4, 10, 11, 82].map((n) => retryDelaySeconds(n, undefined, middle));
    expect(delays).toEqual([5, 10, 20, 40, 2560, 3600, 3600]);
    for (const random of [() => 0, () => 0.999]) {
      const delay = retryDelaySeconds(3, undefined, random);
      expect(delay).toBeGreaterThanOrEqual(15);
      expect(delay).toBeLessThanOrEqual(25);
    }
  });

  it("is dead at once when it was refused for good", () => {
    const error = new DomainError("invalid_state", { extra: { reason: "has_subscription" } });
    expect(judgeFailure(error, 1)).toEqual({
      status: "dead",
      error: "invalid_state: The current state does not allow this. (has_subscription)",
    });
  });

  it("is tried for about three days while a provider or the database is away", () => {
    for (const code of ["provider_unavailable", "unavailable", "rate_limited"] as const) {
      const tries = triesUntilDead(new DomainError(code));
      expect(sum(tries - 1) / 86_400).toBeGreaterThan(2.8);
      expect(sum(tries - 1) / 86_400).toBeLessThan(3.2);
    }
  });

  it("is tried for hours when the fault is ours, and nothing of its message is kept", () => {
    const error = new TypeError("cannot read sk_live_51 of ada@example.com");
    expect(triesUntilDead(error)).toBe(12);
    expect(judgeFailure(error, 1)).toMatchObject({ status: "received", error: "TypeError" });
    const broken = Object.assign(new Error("Key (ref)=(x)"), { code: "23505" });
    expect(judgeFailure(broken, 99)).toEqual({ status: "dead", error: "Error 23505" });
  });
});

describe("an event that can't be placed", () => {
  const judge = (tries: number, unknownSeconds: number) =>
    judgeUnknown("pi_1", { tries, unknownSeconds });

  it("is tried every two minutes at least, for a quarter of an hour", () => {
    for (const tries of [1, 5, 50]) {
      const end = judge(tries, unknownForSeconds - 1);
      expect(end).toMatchObject({ status: "received", waitsFor: "pi_1" });
      if (end.status === "received") expect(end.delaySeconds).toBeLessThanOrEqual(120);
    }
  });

  it("is ignored then, and still knows what it waits for", () => {
    expect(judge(9, unknownForSeconds)).toMatchObject({ status: "ignored", waitsFor: "pi_1" });
    expect(judge(1, unknownForSeconds + 1)).toMatchObject({ status: "ignored" });
  });
});
