import type { Drawing } from "./draw-picture.ts";
import type { Look } from "./looks.ts";
import type { Chance } from "./seed.ts";

const width = 1536;
const height = 1024;

type Scene = Drawing & { horizon: number; night: boolean };

/** A garden with a house under a wide sky, as SVG without text. */
export function drawGarden(drawing: Drawing): string {
  const { look, chance, words } = drawing;
  const night = /\b(night|evening|moon|stars?|dusk)\b/.test(words);
  const scene: Scene = { ...drawing, night, horizon: height * chance.between(0.5, 0.58) };
  const parts = [
    drawSky(scene),
    drawRidges(scene),
    `<rect y="${scene.horizon}" width="${width}" height="${height}" fill="${look.ground}"/>`,
    `<rect y="${scene.horizon}" width="${width}" height="${height}" fill="url(#depth)"/>`,
    drawPath(scene),
    drawHome(scene),
    /\b(pool|pond|water|lake|fountain)\b/.test(words) ? drawPool(scene) : "",
    drawPlants(scene),
    night ? `<rect width="${width}" height="${height}" fill="#0a1238" opacity="0.42"/>` : "",
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><defs>
    <linearGradient id="sky" x2="0" y2="1"><stop stop-color="${look.sky[0]}"/>
      <stop offset="0.6" stop-color="${look.sky[1]}"/></linearGradient>
    <linearGradient id="depth" x2="0" y2="1"><stop stop-color="#fff" stop-opacity="0.25"/>
      <stop offset="0.5" stop-color="#000" stop-opacity="0.22"/></linearGradient>
    <radialGradient id="sun"><stop stop-color="#fff"/><stop offset="0.35" stop-color="#fff6d8"/>
      <stop offset="1" stop-color="#fff0c0" stop-opacity="0"/></radialGradient></defs>
    ${parts.join("")}</svg>`;
}

function drawSky({ chance, horizon, night }: Scene): string {
  const [x, y] = [chance.between(0.12, 0.88) * width, chance.between(0.1, 0.26) * height];
  const light = night
    ? `<circle cx="${x}" cy="${y}" r="60" fill="#f5f1dc"/>`
    : `<circle cx="${x}" cy="${y}" r="260" fill="url(#sun)" opacity="0.9"/>`;
  const stars = Array.from({ length: night ? 90 : 0 }, () => {
    const at = `cx="${chance.between(0, width)}" cy="${chance.between(0, horizon)}"`;
    return `<circle ${at} r="${chance.between(0.8, 2.6)}" fill="#fff"/>`;
  });
  const clouds = Array.from({ length: night ? 0 : 5 }, () => {
    const [cx, cy] = [chance.between(0, width), chance.between(0.05, 0.36) * height];
    const puffs = Array.from({ length: 5 }, (_, index) => {
      const r = chance.between(20, 44);
      return `<ellipse cx="${cx + index * 44}" cy="${cy}" rx="${r * 1.9}" ry="${r * 0.55}"/>`;
    });
    return `<g fill="#fff" opacity="${chance.between(0.25, 0.55)}">${puffs.join("")}</g>`;
  });
  const dark = night ? `<rect width="${width}" height="${height}" fill="#141c46"/>` : "";
  const sky = `<rect width="${width}" height="${height}" fill="url(#sky)"/>`;
  return sky + dark + stars.join("") + light + clouds.join("");
}

/** Three ranges of hills, the nearest the darkest; mountains when the prompt asks for them. */
function drawRidges({ look, chance, words, horizon }: Scene): string {
  const steep = /\b(mountains?|alps|hills?|peaks?|canyon)\b/.test(words) ? 2.3 : 1;
  const ranges = [1, 0.62, 0.3].map((share, range) => {
    const points = Array.from({ length: 13 }, (_, index) => {
      const rise = chance.between(0.2, 1) * share * height * 0.17 * steep;
      return `${(index / 12) * width} ${horizon - rise}`;
    });
    const opacity = 0.4 + range * 0.25;
    const foot = horizon + 4;
    const line = `M0 ${foot}L${points.join("L")}L${width} ${foot}Z`;
    const paint = `opacity="${opacity}" fill="${look.far}" stroke="${look.far}"`;
    return `<path d="${line}" ${paint} stroke-width="26" stroke-linejoin="round"/>`;
  });
  return ranges.join("");
}

function drawPath({ look, chance, horizon }: Scene): string {
  const [top, foot] = [chance.between(0.4, 0.6) * width, chance.between(0.3, 0.7) * width];
  const sway = chance.between(-220, 220);
  const [y1, y2] = [horizon + 150, height - 120];
  return `<path d="M${top - 18} ${horizon}C${top + sway - 40} ${y1} ${foot - sway - 180} ${y2}
    ${foot - 190} ${height}H${foot + 190}C${foot - sway + 120} ${y2} ${top + sway + 40} ${y1}
    ${top + 18} ${horizon}Z" fill="${look.path}"/>`;
}

function drawHome({ look, chance, horizon, night }: Scene): string {
  const [w, h] = [chance.between(360, 520), chance.between(150, 200)];
  const [x, y] = [chance.between(0.12, 0.55) * width, horizon - h + 46];
  const glass = night ? "#ffd98a" : look.sky[0];
  const panes = Array.from({ length: 4 }, (_, index) => {
    const left = x + w * (0.08 + index * 0.235);
    return `<rect x="${left}" y="${y + h * 0.3}" width="${w * 0.14}" height="${h * 0.36}"
      fill="${glass}" stroke="${look.ink}" stroke-width="5"/>`;
  });
  const door = `<rect x="${x + w * 0.44}" y="${y + h * 0.4}" width="${w * 0.1}" height="${h * 0.6}"
    fill="${look.ink}"/>`;
  const shadow = drawShadow({ x: x + w / 2, y: y + h, rx: w * 0.6, ry: 18 });
  const wall = `<rect x="${x}" y="${y}" width="${w}" height="${h}" fill="${look.wall}"/>`;
  return shadow + wall + panes.join("") + door + drawRoofline(look, { x, y, w });
}

/** Flat with a long eave, pitched with a chimney, or a parapet with beams. */
function drawRoofline(look: Look, { x, y, w }: { x: number; y: number; w: number }): string {
  if (look.name === "modern_minimalist") {
    return `<rect x="${x - 46}" y="${y - 22}" width="${w + 92}" height="26" fill="${look.roof}"/>`;
  }
  if (look.name === "cottage_garden") {
    return `<rect x="${x + w * 0.72}" y="${y - 128}" width="36" height="90" fill="${look.roof}"/>
      <path d="M${x - 36} ${y + 6}L${x + w / 2} ${y - 130}L${x + w + 36} ${y + 6}Z"
      fill="${look.roof}" stroke="${look.ink}" stroke-width="4" stroke-linejoin="round"/>`;
  }
  const beams = Array.from({ length: 9 }, (_, index) => {
    const left = x + ((index + 0.4) / 9) * w;
    return `<circle cx="${left}" cy="${y + 22}" r="8" fill="${look.roof}"/>`;
  });
  return `<rect x="${x - 12}" y="${y - 26}" width="${w + 24}" height="34" rx="12"
    fill="${look.wall}" stroke="${look.roof}" stroke-width="4"/>${beams.join("")}`;
}

function drawPool({ chance, horizon }: Scene): string {
  const [x, y] = [chance.between(0.55, 0.75) * width, horizon + chance.between(130, 220)];
  return `<ellipse cx="${x}" cy="${y}" rx="270" ry="64" fill="#fff" opacity="0.7"/>
    <ellipse cx="${x}" cy="${y}" rx="250" ry="54" fill="#3fa7c9"/>
    <path d="M${x - 150} ${y - 8}q40 -14 80 0t80 0M${x - 40} ${y + 18}q40 -12 80 0t80 0"
      stroke="#dff6ff" stroke-width="5" fill="none" opacity="0.8"/>`;
}

/** Plants from far and small to near and large, none on the middle of the path. */
function drawPlants(scene: Scene): string {
  const { chance, horizon } = scene;
  const plants = Array.from({ length: 64 }, (_, index) => {
    const depth = (index / 63) ** 1.6;
    const side = chance.pick([-1, 1]);
    const x = width / 2 + side * chance.between(0.13 + depth * 0.1, 0.56) * width;
    return drawPlant(scene, { x, y: horizon + 16 + depth * (height - horizon), depth });
  });
  return plants.join("");
}

function drawPlant(
  { look, chance }: { look: Look; chance: Chance },
  { x, y, depth }: { x: number; y: number; depth: number },
): string {
  const size = 26 + depth * 96;
  const colour = chance.pick(look.plant);
  const shadow = drawShadow({ x, y, rx: size * 0.7, ry: size * 0.14 });
  if (look.name === "desert_xeriscape" && chance.whole(0, 2) > 0) {
    return shadow + drawCactus({ x, y, size, colour, bloom: chance.pick(look.bloom) });
  }
  const leaves = Array.from({ length: 7 }, () => {
    const [dx, dy] = [chance.between(-0.6, 0.6) * size, chance.between(0.15, 0.95) * size];
    return `<circle cx="${x + dx}" cy="${y - dy}" r="${size * chance.between(0.22, 0.42)}"/>`;
  });
  const blooms = Array.from({ length: look.name === "cottage_garden" ? 12 : 3 }, () => {
    const [dx, dy] = [chance.between(-0.7, 0.7) * size, chance.between(0.1, 1.1) * size];
    const r = size * chance.between(0.06, 0.12);
    return `<circle cx="${x + dx}" cy="${y - dy}" r="${r}" fill="${chance.pick(look.bloom)}"/>`;
  });
  return `${shadow}<g fill="${colour}">${leaves.join("")}</g>${blooms.join("")}`;
}

type Cactus = { x: number; y: number; size: number; colour: string; bloom: string };

function drawCactus({ x, y, size, colour, bloom }: Cactus): string {
  const arm = size * 0.5;
  return `<path d="M${x} ${y}V${y - size * 1.7}M${x} ${y - size * 0.6}h${-arm}v${-arm}
    M${x} ${y - size * 0.85}h${arm}v${-arm}" stroke="${colour}" stroke-width="${size * 0.3}"
    stroke-linecap="round" stroke-linejoin="round" fill="none"/>
    <circle cx="${x}" cy="${y - size * 1.86}" r="${size * 0.13}" fill="${bloom}"/>`;
}

function drawShadow({ x, y, rx, ry }: { x: number; y: number; rx: number; ry: number }): string {
  return `<ellipse cx="${x}" cy="${y}" rx="${rx}" ry="${ry}" opacity="0.25"/>`;
}
