import { afterAll, describe } from "vitest";
import { testConformance } from "../../test/generator-conformance.ts";
import type { ModelServer } from "../../test/model-server.ts";
import { modelSubjects, startModelSubjects } from "../../test/model-subjects.ts";

describe("models behind OpenAI's API and Gemini's, every fault", () => {
  const servers: ModelServer[] = [];
  afterAll(() => Promise.all(servers.map((server) => server.close())));

  testConformance(async () => {
    const started = await startModelSubjects(true);
    servers.push(...started.servers);
    return started.subjects;
  }, modelSubjects);
});
