import type { Mapping } from "../mapping.ts";
import type { System } from "../system.ts";
import { copywriter } from "./copywriter.ts";
import { generationApi } from "./generation-api.ts";
import { landscape } from "./landscape.ts";
import { letters } from "./letters.ts";
import { stylist } from "./stylist.ts";

const systems: Record<Mapping["system"], System> = {
  landscape,
  "generation-api": generationApi,
  letters,
  stylist,
  copywriter,
};

export const findSystem = (name: Mapping["system"]): System => systems[name];
