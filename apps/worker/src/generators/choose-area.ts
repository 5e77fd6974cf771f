import type { Area } from "./frame.ts";
import { createChance } from "./seed.ts";

/** Where an area of a property lies in a picture of it: 0 is left or top, 1 right or bottom. */
const places: [word: RegExp, x: number, y: number][] = [
  [/\b(?:front|drive(?:way)?|entrance|street|kerb|curb)\b/, 0.5, 1],
  [/\b(?:back|rear|garden|terrace|deck|pool)\b/, 0.5, 0],
  [/\b(?:left|west)\b/, 0, 0.5],
  [/\b(?:right|east|side)\b/, 1, 0.5],
];

/** The place that a label names, or one drawn from its letters; the middle without a label. */
export function placeOf(label: string | null): { x: number; y: number } {
  if (!label) return { x: 0.5, y: 0.5 };
  const text = label.toLowerCase();
  const named = places.find(([word]) => word.test(text));
  if (named) return { x: named[1], y: named[2] };
  const chance = createChance(`place:${text}`);
  return { x: chance.between(0, 1), y: chance.between(0, 1) };
}

/**
 * The part of a photo that an item is about: all of it without a label, else about three quarters
 * of each side around the label's place, a little different for each label.
 */
export function chooseArea(label: string | null, size: { width: number; height: number }): Area {
  if (!label) return { left: 0, top: 0, ...size };
  const zoom = createChance(`zoom:${label.toLowerCase()}`).between(0.68, 0.8);
  const width = Math.max(1, Math.round(size.width * zoom));
  const height = Math.max(1, Math.round(size.height * zoom));
  const { x, y } = placeOf(label);
  const left = Math.round((size.width - width) * x);
  return { left, top: Math.round((size.height - height) * y), width, height };
}
