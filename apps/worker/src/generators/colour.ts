import type { Pixel } from "./frame.ts";

/** Red, green and blue from 0 to 1. */
export type Rgb = readonly [number, number, number];

export function parseColour(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255];
}

/** How bright the eye takes a pixel to be (the weights of ITU-R BT.709). */
export function luma({ r, g, b }: Pixel): number {
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Towards grey below 1, away from it above. */
export function saturate(pixel: Pixel, amount: number): void {
  const grey = luma(pixel);
  pixel.r = grey + (pixel.r - grey) * amount;
  pixel.g = grey + (pixel.g - grey) * amount;
  pixel.b = grey + (pixel.b - grey) * amount;
}

/** The same tone curve for all three channels. */
export function curve(pixel: Pixel, tone: (value: number) => number): void {
  pixel.r = tone(pixel.r);
  pixel.g = tone(pixel.g);
  pixel.b = tone(pixel.b);
}

/** An S that darkens the dark and brightens the bright; 0 changes nothing, 1 is a smoothstep. */
export function steepen(value: number, amount: number): number {
  const inside = Math.min(1, Math.max(0, value));
  return inside + (inside * inside * (3 - 2 * inside) - inside) * amount;
}

export function mix(pixel: Pixel, [r, g, b]: Rgb, amount: number): void {
  pixel.r += (r - pixel.r) * amount;
  pixel.g += (g - pixel.g) * amount;
  pixel.b += (b - pixel.b) * amount;
}

/** One colour into the shadows and another into the lights. */
export function splitTone(pixel: Pixel, tones: { dark: Rgb; light: Rgb; amount: number }): void {
  const bright = luma(pixel);
  mix(pixel, tones.dark, (1 - bright) * (1 - bright) * tones.amount);
  mix(pixel, tones.light, bright * bright * tones.amount);
}

/** Darker the farther from the centre; `amount` is what a corner loses. */
export function vignette(pixel: Pixel, centre: { x: number; y: number }, amount: number): void {
  const x = pixel.x - centre.x;
  const y = pixel.y - centre.y;
  const left = 1 - amount * Math.min(1, (x * x + y * y) * 2);
  pixel.r *= left;
  pixel.g *= left;
  pixel.b *= left;
}

export function addGrain(pixel: Pixel, amount: number): void {
  pixel.r += amount;
  pixel.g += amount;
  pixel.b += amount;
}
