import { createImageIntake } from "@ducat/storage/image-intake";
import { createPhotoFetcher } from "../src/fetch-photo.ts";
import { createFalGenerator } from "../src/generators/fal.ts";
import type { Generator } from "../src/generators/generator.ts";

const pace = { pollMs: 20, mostPollMs: 100, askAgainMs: 50 };

/** fal on a model server, for styles that name no model of their own. */
export function createFalHere(url: string): Generator {
  const fetchPhoto = createPhotoFetcher({ allowHosts: [new URL(url).host] });
  const endpoint = { name: "fal", url: `${url}/fal`, key: "f-secret" };
  const fal = createFalGenerator(endpoint, { fetchPhoto, imageIntake: createImageIntake() }, pace);
  const params = { model: "fal-ai/submit/draw" };
  return {
    name: "fal",
    run: (task, context) =>
      fal.run({ ...task, style: { ...task.style, params, prompt: "{input}" } }, context),
  };
}
