import type { ProviderSettings } from "../model-settings.ts";
import type { Generator } from "./generator.ts";
import type { ModelDeps } from "./run-once.ts";

/** The generator of each provider, by its name. The client of a kind is loaded where it is used. */
export async function openGenerators(
  providers: ProviderSettings[],
  deps: ModelDeps,
): Promise<Record<string, Generator>> {
  const opened = providers.map(async (one) => [one.name, await openGenerator(one, deps)] as const);
  return Object.fromEntries(await Promise.all(opened));
}

async function openGenerator(one: ProviderSettings, deps: ModelDeps): Promise<Generator> {
  switch (one.kind) {
    case "openai":
      return (await import("./openai.ts")).createOpenAiGenerator(one, deps);
    case "google":
      return (await import("./google.ts")).createGoogleGenerator(one, deps);
    case "fal":
      return (await import("./fal.ts")).createFalGenerator(one, deps);
    case "replicate":
      return (await import("./replicate.ts")).createReplicateGenerator(one, deps);
  }
}
