import { expect, it } from "vitest";
import { judgeFailure } from "./judge-failure.ts";

const seen = (status: number) => ({ isSent: true, isWhole: true, status, facts: {} });

it.each([408, 409, 499, 500, 502])("%i is asked again under a key, and only then", (status) => {
  // 409 is what many answer to a key whose first request is still being worked on.
  const again = { status: "unknown", away: true };
  expect(judgeFailure(seen(status), { isIdempotent: true, attempt: 1 })).toMatchObject(again);
  const final = { code: "outcome_unknown", retryable: false };
  expect(judgeFailure(seen(status), { isIdempotent: true, attempt: 4 })).toMatchObject(final);
  expect(judgeFailure(seen(status), { isIdempotent: false, attempt: 1 })).toMatchObject(final);
});
