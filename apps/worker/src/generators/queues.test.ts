import { afterAll, describe } from "vitest";
import { testConformance } from "../../test/generator-conformance.ts";
import type { ModelServer } from "../../test/model-server.ts";
import { queueSubjects, startQueueSubjects } from "../../test/queue-subjects.ts";

describe("models behind the queues of fal and Replicate", () => {
  let server: ModelServer | undefined;
  afterAll(() => server?.close());

  testConformance(async () => {
    const started = await startQueueSubjects({
      "fal-submit": ["error-after", "reset-after", "hang", "bad-input", "refused", "error-inside"],
      "fal-status": ["error-before", "reset-before", "html", "limit-seconds"],
      "fal-result": [
        "unauthorized",
        "error-inside",
        "broken-output",
        "refused",
        "filtered",
        "cut",
        "wrong-type",
      ],
      "fal-picture": ["html", "truncated", "broken-output"],
      "replicate-submit": ["error-after", "reset-after", "truncated", "overloaded", "refused"],
      "replicate-status": ["error-inside", "refused", "filtered", "absurd-usage", "broken-output"],
      "replicate-text": ["broken-output", "unauthorized", "negative-usage", "wrong-type"],
      "replicate-picture": ["error-before", "cut"],
    });
    ({ server } = started);
    return started.subjects;
  }, queueSubjects);
});
