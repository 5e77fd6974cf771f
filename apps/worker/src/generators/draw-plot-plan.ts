import sharp from "sharp";
import { placeOf } from "./choose-area.ts";
import { toPicture } from "./frame.ts";
import type { Picture } from "./generator.ts";
import type { Look } from "./looks.ts";
import { type Box, drawArrow, drawRoof, drawScale, drawTree } from "./plot-parts.ts";
import { type Chance, createChance } from "./seed.ts";

const width = 1400;
const height = 1050;
/** The parcel's box on the sheet; the street runs below it. */
const lot = { left: 180, top: 90, right: 1220, bottom: 840 };

/**
 * A plot plan in the look's colours, the same for the same address: parcel, house, drive, path,
 * patio, beds and trees, with a north arrow and a scale bar. There is no text in it, since SVG text
 * needs fonts that a server may not have. A label shades the area it names.
 */
export async function drawPlotPlan(options: {
  address: string;
  look: Look;
  label: string | null;
}): Promise<Picture> {
  const { look, label } = options;
  const address = options.address.trim().replaceAll(/\s+/g, " ").toLowerCase();
  const chance = createChance(`plan:${address}`);
  const house = placeHouse(chance);
  const mirrored = chance.whole(0, 1) === 1;
  const parts = [
    drawSheet(look),
    drawParcel(look, chance),
    label ? drawArea(look, label, mirrored) : "",
    drawGrounds({ look, chance, house }),
    drawHouse(look, house),
    drawTrees({ look, chance, house }),
  ];
  // Mirrored as a whole for every other address; the arrow and the bar stay readable.
  const turn = mirrored ? `translate(${width} 0) scale(-1 1)` : "";
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <g transform="${turn}">${parts.join("")}</g>${drawArrow(look, chance)}${drawScale(look)}</svg>`;
  return await toPicture(sharp(Buffer.from(svg)));
}

function placeHouse(chance: Chance): { main: Box; wing: Box } {
  const w = chance.between(330, 450);
  const h = chance.between(190, 260);
  const x = chance.between(lot.left + 220, lot.right - w - 260);
  const y = chance.between(lot.top + 190, lot.top + 290);
  const wing = { w: w * chance.between(0.35, 0.5), h: chance.between(90, 150) };
  const atLeft = chance.whole(0, 1) === 1;
  const wingX = atLeft ? x : x + w - wing.w;
  return { main: { x, y, w, h }, wing: { x: wingX, y: y + h - 6, ...wing } };
}

function drawSheet(look: Look): string {
  const street = height - 130;
  const lines = Array.from({ length: 27 }, (_, index) => {
    const at = (index + 1) * 50;
    return `M${at} 0V${height}${at < height ? `M0 ${at}H${width}` : ""}`;
  });
  return `<rect width="${width}" height="${height}" fill="${look.paper}"/>
    <path d="${lines.join("")}" stroke="${look.ink}" stroke-opacity="0.07"/>
    <rect y="${street}" width="${width}" height="96" fill="${look.far}" opacity="0.55"/>
    <path d="M0 ${street + 48}H${width}" stroke="${look.paper}" stroke-width="5"
      stroke-dasharray="44 30"/>
    <path d="M0 ${street}H${width}M0 ${street + 96}H${width}" stroke="${look.ink}"
      stroke-width="2" opacity="0.5"/>`;
}

function drawParcel(look: Look, chance: Chance): string {
  const skew = () => chance.between(-34, 34);
  const corners = [
    [lot.left + skew(), lot.top + skew()],
    [lot.right + skew(), lot.top + skew()],
    [lot.right, lot.bottom],
    [lot.left, lot.bottom],
  ];
  const pins = corners.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="8" fill="${look.ink}"/>`);
  const tufts = Array.from({ length: 220 }, () => {
    const x = chance.between(lot.left + 40, lot.right - 40);
    const y = chance.between(lot.top + 40, lot.bottom - 14);
    return `M${x.toFixed(1)} ${y.toFixed(1)}l-3 -8m3 8l3 -9`;
  });
  return `<polygon points="${corners.join(" ")}" fill="${look.ground}" stroke="${look.ink}"
      stroke-width="5" stroke-dasharray="30 10 6 10"/>
    <path d="${tufts.join("")}" stroke="${look.plant[0]}" stroke-width="1.6" opacity="0.5"/>
    ${pins.join("")}`;
}

type Place = { look: Look; chance: Chance; house: { main: Box; wing: Box } };

/** The drive to the street, the path to the door, the patio behind and beds along the walls. */
function drawGrounds({ look, chance, house }: Place): string {
  const { main, wing } = house;
  const curb = height - 130;
  const drive = { x: wing.x + wing.w * 0.2, y: wing.y + wing.h, w: wing.w * 0.6 };
  const door = wing.x > main.x ? main.x + main.w * 0.28 : main.x + main.w * 0.72;
  const start = main.y + main.h;
  const bend = chance.between(-90, 90);
  const curve = `C${door + bend} ${start + 110} ${door - bend} ${curb - 90} ${door} ${curb}`;
  const path = `M${door} ${start}${curve}`;
  const patio = { x: main.x + main.w * chance.between(0.1, 0.4), w: main.w * 0.45, h: 82 };
  const slabs = Array.from({ length: 5 }, (_, index) => {
    const x = patio.x + ((index + 1) * patio.w) / 6;
    return `M${x} ${main.y - patio.h}V${main.y}`;
  });
  const flowers = Array.from({ length: 34 }, (_, index) => {
    const x = main.x + (index / 33) * main.w;
    const y = main.y + main.h + chance.between(8, 22);
    const inside = x > wing.x - 8 && x < wing.x + wing.w + 8;
    const colour = chance.pick(look.bloom);
    const nearDoor = Math.abs(x - door) < 26;
    return inside || nearDoor ? "" : `<circle cx="${x}" cy="${y}" r="7" fill="${colour}"/>`;
  });
  return `<rect x="${drive.x}" y="${drive.y}" width="${drive.w}" height="${curb - drive.y}"
      fill="${look.path}" stroke="${look.ink}" stroke-width="2"/>
    <path d="${path}" fill="none" stroke="${look.ink}" stroke-width="34" opacity="0.35"/>
    <path d="${path}" fill="none" stroke="${look.path}" stroke-width="30"/>
    <path d="${path}" fill="none" stroke="${look.ink}" stroke-width="30" opacity="0.3"
      stroke-dasharray="2 22"/>
    <rect x="${patio.x}" y="${main.y - patio.h}" width="${patio.w}" height="${patio.h}"
      fill="${look.path}" stroke="${look.ink}" stroke-width="2"/>
    <path d="${slabs.join("")}M${patio.x} ${main.y - patio.h / 2}h${patio.w}" stroke="${look.ink}"
      opacity="0.4"/>
    <rect x="${main.x}" y="${start}" width="${main.w}" height="28" fill="${look.plant[0]}"
      opacity="0.5"/>${flowers.join("")}`;
}

/** Hipped roofs seen from above, with a shadow to the lower right. */
function drawHouse(look: Look, { main, wing }: { main: Box; wing: Box }): string {
  const shadow = [main, wing].map(
    ({ x, y, w, h }) =>
      `<rect x="${x + 14}" y="${y + 14}" width="${w}" height="${h}" fill="#000" opacity="0.22"/>`,
  );
  return shadow.join("") + drawRoof(look, wing) + drawRoof(look, main);
}

/** Trees and shrubs along the boundary and in the corners, never on the house. */
function drawTrees({ look, chance, house }: Place): string {
  const trees: string[] = [];
  for (let tries = 0; tries < 60 && trees.length < 16; tries += 1) {
    const radius = chance.between(24, 62);
    const x = chance.between(lot.left + 60, lot.right - 60);
    const y = chance.between(lot.top + 50, lot.bottom - 70);
    const { main, wing } = house;
    const left = Math.min(main.x, wing.x) - radius - 20;
    const right = Math.max(main.x + main.w, wing.x + wing.w) + radius + 20;
    const below = y > main.y - 100 - radius;
    if (x > left && x < right && below) continue;
    trees.push(drawTree({ x, y, radius, colour: chance.pick(look.plant), ink: look.ink }));
  }
  return trees.join("");
}

/** The half of the parcel that the label is about, hatched. */
function drawArea(look: Look, label: string, mirrored: boolean): string {
  const place = placeOf(label);
  const [x, y] = [mirrored ? 1 - place.x : place.x, place.y];
  const across = Math.abs(x - 0.5) > Math.abs(y - 0.5);
  const [w, h] = [lot.right - lot.left, lot.bottom - lot.top];
  const box = across
    ? { x: lot.left + (x > 0.5 ? w * 0.62 : 0), y: lot.top, w: w * 0.38, h }
    : { x: lot.left, y: lot.top + (y > 0.5 ? h * 0.6 : 0), w, h: h * 0.4 };
  return `<defs><pattern id="hatch" width="22" height="22" patternUnits="userSpaceOnUse"
      patternTransform="rotate(45)"><rect width="8" height="22" fill="${look.bloom[0]}"/></pattern>
    </defs><rect x="${box.x}" y="${box.y}" width="${box.w}" height="${box.h}" fill="url(#hatch)"
      opacity="0.6" stroke="${look.ink}" stroke-width="4" stroke-dasharray="16 10"/>`;
}
