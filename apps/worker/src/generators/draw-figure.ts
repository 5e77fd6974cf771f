import type { Drawing } from "./draw-picture.ts";

const width = 1152;
const height = 1440;

/** A head and shoulders, flat and without a face, before a backdrop of its look; SVG, no text. */
export function drawFigure(drawing: Drawing): string {
  const { look, chance } = drawing;
  const middle = width / 2 + chance.between(-50, 50);
  const parts = [
    `<rect width="${width}" height="${height}" fill="url(#back)"/>`,
    drawBackdrop(drawing, middle),
    drawBody(drawing, middle),
    drawFront(drawing),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><defs>
    <linearGradient id="back" x2="0.3" y2="1"><stop stop-color="${look.sky[0]}"/>
      <stop offset="1" stop-color="${look.sky[1]}"/></linearGradient>
    <radialGradient id="spot" cx="0.5" cy="0.36" r="0.6"><stop stop-color="#fff"
      stop-opacity="0.75"/><stop offset="1" stop-color="#fff" stop-opacity="0"/></radialGradient>
    <radialGradient id="dark" cx="0.5" cy="0.42" r="0.75"><stop offset="0.5" stop-opacity="0"/>
      <stop offset="1" stop-opacity="0.75"/></radialGradient>
    <pattern id="dots" width="34" height="34" patternUnits="userSpaceOnUse"
      patternTransform="rotate(30)"><circle cx="17" cy="17" r="9" fill="${look.ink}"/></pattern>
    </defs>${parts.join("")}</svg>`;
}

function drawBackdrop({ look, chance }: Drawing, middle: number): string {
  if (look.name === "studio_noir") {
    const slats = Array.from({ length: 11 }, (_, index) => {
      const y = index * 128 + chance.between(-6, 6);
      return `<path d="M0 ${y}L${width} ${y - 190}v46L0 ${y + 46}Z" fill="#fff" opacity="0.1"/>`;
    });
    return `<rect width="${width}" height="${height}" fill="url(#spot)"/>${slats.join("")}`;
  }
  if (look.name === "vintage_film") {
    const rays = Array.from({ length: 18 }, (_, index) => {
      const [from, to] = [index * 20, index * 20 + 10].map((degree) => (degree * Math.PI) / 180);
      const corner = (angle = 0) =>
        `${middle + Math.cos(angle) * 1700} ${560 + Math.sin(angle) * 1700}`;
      return `<path d="M${middle} 560L${corner(from)}L${corner(to)}Z" fill="${look.bloom[1]}"/>`;
    });
    const disc = `<circle cx="${middle}" cy="560" r="390" fill="${look.paper}" opacity="0.75"/>`;
    return `<g opacity="0.55">${rays.join("")}</g>${disc}`;
  }
  const shapes = Array.from({ length: 7 }, () => {
    const [x, y] = [chance.between(0, width), chance.between(0, height * 0.8)];
    const turn = `rotate(${chance.between(0, 90)} ${x} ${y})`;
    const side = chance.between(120, 420);
    const fill = chance.pick([look.far, look.wall, look.ground, look.path]);
    return chance.whole(0, 1) === 0
      ? `<circle cx="${x}" cy="${y}" r="${side / 2}" fill="${fill}"/>`
      : `<rect x="${x}" y="${y}" width="${side}" height="${side / 2}" fill="${fill}"
          transform="${turn}"/>`;
  });
  const dots = `<circle cx="${middle}" cy="600" r="470" fill="url(#dots)" opacity="0.5"/>`;
  return shapes.join("") + dots;
}

function drawBody({ look, chance, words }: Drawing, middle: number): string {
  const skin = chance.pick(look.skin);
  const hair = chance.pick([look.ink, look.roof, look.plant[0], look.ground]);
  const cloth = chance.pick([look.roof, look.far, look.plant[0], look.ground]);
  const long = /\b(long hair|woman|girl|dress|bride)\b/.test(words) || chance.whole(0, 1) === 0;
  const hat = /\b(hat|cap|fedora|beret)\b/.test(words) || chance.whole(0, 4) === 0;
  const glasses = /\b(glasses|sunglasses|shades)\b/.test(words) || chance.whole(0, 2) === 0;
  const tilt = chance.between(-5, 5);
  const behind = long
    ? `<path d="M-215 -40C-260 -330 260 -330 215 -40C240 140 250 300 190 380H-190
        C-250 300 -240 140 -215 -40Z" fill="${hair}"/>`
    : "";
  const crown = `<path d="M-190 -10C-220 -290 220 -290 190 -10C150 -120 60 -150 -20 -150
    C-110 -140 -160 -90 -190 -10Z" fill="${hair}"/>`;
  const head = `<ellipse rx="172" ry="220" fill="${skin}"/>
    <path d="M40 -214A172 220 0 0 1 40 214A150 220 0 0 0 40 -214Z" opacity="0.14"/>`;
  const collar = `<path d="M${middle - 190} 1010L${middle} 1200L${middle + 190} 1010L${middle + 120}
    960L${middle} 1080L${middle - 120} 960Z" fill="${look.paper}" opacity="0.9"/>`;
  return `<g transform="translate(${middle} 590) rotate(${tilt})">${behind}</g>
    <rect x="${middle - 78}" y="720" width="156" height="300" fill="${skin}"/>
    <path d="M${middle - 78} 800q78 90 156 0v70q-78 70 -156 0Z" opacity="0.2"/>
    <path d="M${middle - 470} ${height}C${middle - 450} 1060 ${middle - 250} 1010 ${middle - 90} 960
      Q${middle} 1060 ${middle + 90} 960C${middle + 250} 1010 ${middle + 450} 1060 ${middle + 470}
      ${height}Z" fill="${cloth}"/>${collar}
    <g transform="translate(${middle} 590) rotate(${tilt})">${head}${crown}
      ${glasses ? drawGlasses(look.ink) : drawLids(look.ink)}
      ${hat ? drawHat(look.ink, look.bloom[0]) : ""}
    </g>`;
}

/** Closed eyes, brows and a mouth: three lines are a face already. */
function drawLids(ink: string): string {
  return `<path d="M-110 0q38 26 76 0M34 0q38 26 76 0M-116 -52q40 -24 84 -4M32 -56q44 -20 84 4
    M-4 20q-14 50 12 62M-52 128q52 26 104 0" stroke="${ink}" stroke-width="7" fill="none"
    stroke-linecap="round" opacity="0.8"/>`;
}

function drawGlasses(ink: string): string {
  return `<g fill="${ink}"><rect x="-136" y="-40" width="118" height="78" rx="36"/>
    <rect x="18" y="-40" width="118" height="78" rx="36"/></g>
    <path d="M-20 -14h40M-136 -14h-34M136 -14h34" stroke="${ink}" stroke-width="10"/>
    <path d="M-112 -22l34 44M42 -22l34 44" stroke="#fff" stroke-width="8" opacity="0.5"/>
    <path d="M-4 44q-10 34 12 42M-52 128q52 26 104 0" stroke="${ink}" stroke-width="7" fill="none"
      stroke-linecap="round" opacity="0.8"/>`;
}

function drawHat(ink: string, band: string): string {
  return `<path d="M-300 -128Q0 -210 300 -128Q0 -76 -300 -128Z" fill="${ink}"/>
    <path d="M-178 -150C-170 -390 170 -390 178 -150Q0 -190 -178 -150Z" fill="${ink}"/>
    <path d="M-179 -160Q0 -206 179 -160L174 -208Q0 -252 -174 -208Z" fill="${band}"/>`;
}

function drawFront({ look, chance }: Drawing): string {
  if (look.name === "studio_noir") {
    return `<rect width="${width}" height="${height}" fill="url(#dark)"/>`;
  }
  if (look.name === "vintage_film") {
    return `<rect x="28" y="28" width="${width - 56}" height="${height - 56}" fill="none"
      stroke="${look.paper}" stroke-width="56"/>`;
  }
  const stripe = chance.between(0.78, 0.86) * height;
  return `<rect y="${stripe}" width="${width}" height="70" fill="${look.wall}"/>
    <rect y="${stripe + 70}" width="${width}" height="14" fill="${look.ink}"/>`;
}
