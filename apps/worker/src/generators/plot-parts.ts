import type { Look } from "./looks.ts";
import type { Chance } from "./seed.ts";

export type Box = { x: number; y: number; w: number; h: number };

/** A hipped roof seen from above: four faces that meet in a ridge along the longer side. */
export function drawRoof(look: Look, { x, y, w, h }: Box): string {
  const inset = Math.min(w, h) / 2;
  const ridge =
    w > h
      ? [x + inset, y + inset, x + w - inset, y + inset]
      : [x + inset, y + inset, x + inset, y + h - inset];
  const [ax, ay, bx, by] = ridge;
  const toB =
    w > h
      ? `M${x + w} ${y}L${bx} ${by}L${x + w} ${y + h}`
      : `M${x} ${y + h}L${bx} ${by}L${x + w} ${y + h}`;
  const toA =
    w > h ? `M${x} ${y}L${ax} ${ay}L${x} ${y + h}` : `M${x} ${y}L${ax} ${ay}L${x + w} ${y}`;
  return `<rect x="${x}" y="${y}" width="${w}" height="${h}" fill="${look.roof}"
      stroke="${look.ink}" stroke-width="4"/>
    <rect x="${x}" y="${y}" width="${w}" height="${h / 2}" fill="#fff" opacity="0.14"/>
    <path d="M${ax} ${ay}L${bx} ${by}${toA}${toB}" fill="none" stroke="${look.ink}"
      stroke-width="3"/>`;
}

export type Tree = { x: number; y: number; radius: number; colour: string; ink: string };

/** A tree seen from above, with its shadow. */
export function drawTree({ x, y, radius, colour, ink }: Tree): string {
  const lobes = Array.from({ length: 9 }, (_, index) => {
    const angle = (index / 9) * 2 * Math.PI;
    const [cx, cy] = [x + Math.cos(angle) * radius * 0.62, y + Math.sin(angle) * radius * 0.62];
    return `<circle cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="${radius * 0.42}"/>`;
  });
  const spokes = Array.from({ length: 9 }, (_, index) => {
    const angle = (index / 9) * 2 * Math.PI + 0.3;
    return `M${x} ${y}L${x + Math.cos(angle) * radius * 0.7} ${y + Math.sin(angle) * radius * 0.7}`;
  });
  return `<circle cx="${x + 8}" cy="${y + 9}" r="${radius}" fill="#000" opacity="0.16"/>
    <g fill="${colour}" stroke="${ink}" stroke-width="1.5">${lobes.join("")}</g>
    <circle cx="${x}" cy="${y}" r="${radius * 0.72}" fill="${colour}"/>
    <path d="${spokes.join("")}" stroke="${ink}" opacity="0.35"/>
    <circle cx="${x}" cy="${y}" r="4" fill="${ink}"/>`;
}

/** The north arrow, its N drawn as a line. Plans are rarely laid out to the north. */
export function drawArrow(look: Look, chance: Chance): string {
  const turn = chance.between(-40, 40);
  return `<g transform="translate(1305 130) rotate(${turn})" stroke="${look.ink}" stroke-width="4">
    <circle r="52" fill="${look.paper}"/>
    <path d="M0 -74L22 32L0 16L-22 32Z" fill="${look.ink}"/>
    <path d="M0 -74L22 32L0 16Z" fill="${look.paper}"/>
    <path d="M-11 -84V-112L11 -84V-112" fill="none" stroke-width="5"/></g>`;
}

/** A scale bar of six blocks, without numbers. */
export function drawScale(look: Look): string {
  const blocks = Array.from({ length: 6 }, (_, index) => {
    const fill = index % 2 === 0 ? look.ink : look.paper;
    return `<rect x="${60 + index * 50}" y="34" width="50" height="14" fill="${fill}"/>`;
  });
  return `<rect x="44" y="20" width="332" height="42" fill="${look.paper}"/>
    <g stroke="${look.ink}" stroke-width="2">${blocks.join("")}</g>`;
}
