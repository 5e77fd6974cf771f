import { afterAll, describe } from "vitest";
import { testConformance } from "../../test/generator-conformance.ts";
import type { ModelServer } from "../../test/model-server.ts";
import { queueSubjects, startQueueSubjects } from "../../test/queue-subjects.ts";

describe("models behind the queues of fal and Replicate, with every fault everywhere", () => {
  let server: ModelServer | undefined;
  afterAll(() => server?.close());

  testConformance(async () => {
    const started = await startQueueSubjects();
    ({ server } = started);
    return started.subjects;
  }, queueSubjects);
});
