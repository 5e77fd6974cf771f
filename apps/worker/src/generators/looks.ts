import type { LocalLook } from "@ducat/types/generators";

/** The looks of the seven presets; the seventh, product_description, writes and has none. */
export type LookName = LocalLook;

/** The colours that drawings of a look are made of, as #rrggbb. */
export type Look = {
  name: LookName;
  subject: "landscape" | "portrait";
  sky: readonly [string, string];
  far: string;
  ground: string;
  plant: readonly [string, string, ...string[]];
  bloom: readonly [string, string, ...string[]];
  wall: string;
  roof: string;
  path: string;
  ink: string;
  paper: string;
  skin: readonly [string, ...string[]];
};

const skin = ["#f0c9a8", "#d9a37a", "#b57c52", "#8a5a3b", "#5f3d2a"] as const;

const looks: Record<LookName, Look> = {
  modern_minimalist: {
    name: "modern_minimalist",
    subject: "landscape",
    sky: ["#dfe8ee", "#f7f8f7"],
    far: "#c3cdd0",
    ground: "#b9c4b4",
    plant: ["#6d8470", "#8fa08c", "#55695c"],
    bloom: ["#ffffff", "#dfe5de"],
    wall: "#f4f3ef",
    roof: "#3c4346",
    path: "#dcdad4",
    ink: "#2f3638",
    paper: "#fafaf7",
    skin,
  },
  cottage_garden: {
    name: "cottage_garden",
    subject: "landscape",
    sky: ["#9cc7e8", "#fdeed6"],
    far: "#8db48e",
    ground: "#7fb35b",
    plant: ["#3f7d3a", "#5a9a48", "#2f6434"],
    bloom: ["#e8618c", "#f6b1c3", "#fff3c9", "#9a6fc0"],
    wall: "#f3e2c3",
    roof: "#9c5a3c",
    path: "#d9b98c",
    ink: "#4a3526",
    paper: "#fbf3e2",
    skin,
  },
  desert_xeriscape: {
    name: "desert_xeriscape",
    subject: "landscape",
    sky: ["#5fb0b7", "#fbd9a5"],
    far: "#b5654a",
    ground: "#dcae76",
    plant: ["#6f8f5f", "#8ea66f", "#4f7355"],
    bloom: ["#e2574c", "#f2a541"],
    wall: "#d98f5f",
    roof: "#a9583a",
    path: "#f0d3a2",
    ink: "#5b2f22",
    paper: "#f8e8cd",
    skin,
  },
  studio_noir: {
    name: "studio_noir",
    subject: "portrait",
    sky: ["#0c0d0f", "#3b3e43"],
    far: "#232529",
    ground: "#151618",
    plant: ["#4b4f55", "#2c2f33"],
    bloom: ["#e9e9e6", "#a8abb0"],
    wall: "#6d7177",
    roof: "#1a1b1d",
    path: "#8d9197",
    ink: "#000000",
    paper: "#d9dadb",
    skin: ["#c9c9c7", "#a3a4a5", "#7c7e80"],
  },
  vintage_film: {
    name: "vintage_film",
    subject: "portrait",
    sky: ["#b9a27b", "#ead9b0"],
    far: "#9a7c55",
    ground: "#6f6247",
    plant: ["#5f6f55", "#7f8a63"],
    bloom: ["#c7583f", "#e0a458"],
    wall: "#d9b98b",
    roof: "#7d4a37",
    path: "#c9ae80",
    ink: "#3a2a20",
    paper: "#f2e6c8",
    skin,
  },
  pop_editorial: {
    name: "pop_editorial",
    subject: "portrait",
    sky: ["#ff3d81", "#ffb400"],
    far: "#00b8d9",
    ground: "#5b2be0",
    plant: ["#00d08a", "#00b8d9"],
    bloom: ["#ffe600", "#ff3d81", "#ffffff"],
    wall: "#ffe600",
    roof: "#ff3d81",
    path: "#ffffff",
    ink: "#160a3a",
    paper: "#fff7e8",
    skin: ["#ff9db8", "#ffd23f", "#7be0ff"],
  },
};

/** The look of that name, or undefined. */
export function findLook(name: unknown): Look | undefined {
  return typeof name === "string" && Object.hasOwn(looks, name)
    ? looks[name as LookName]
    : undefined;
}

export const lookNames = Object.keys(looks) as LookName[];
