import type { Log } from "../log.ts";
import type { ProviderSettings } from "../model-settings.ts";
import type { AddressViews } from "./address-views.ts";
import type { Generator } from "./generator.ts";
import type { ModelDeps } from "./run-once.ts";
import { showAddresses } from "./show-addresses.ts";

type OpenDeps = ModelDeps & {
  log: Log;
  /** Left out, addresses go into the prompts only. */
  views?: AddressViews | undefined;
};

/** The generator of each provider, by its name. The client of a kind is loaded where it is used. */
export async function openGenerators(
  providers: ProviderSettings[],
  { views, log, ...deps }: OpenDeps,
): Promise<Record<string, Generator>> {
  const opened = providers.map(async (one) => {
    const generator = await openGenerator(one, deps);
    return [one.name, views ? showAddresses(generator, views, log) : generator] as const;
  });
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
