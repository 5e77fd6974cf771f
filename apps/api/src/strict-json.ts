/** Why a text is not a body that we read. The message is public. */
export class BadJson extends Error {}

const deepest = 32;

/**
 * Parses JSON as JSON.parse does, and refuses what parsers disagree about or what later code would
 * trip over: a name twice in one object, `__proto__`, numbers that would be rounded, deep nesting.
 */
export function parseStrictJson(text: string): unknown {
  assertPlain(text);
  try {
    return JSON.parse(text);
  } catch {
    throw new BadJson("This is not JSON.");
  }
}

const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s"{}[\],:]+/gsy;

/** One pass over the tokens. Grammar is JSON.parse's business: a text wrong in itself may pass. */
function assertPlain(text: string): void {
  const open: (Set<string> | undefined)[] = [];
  let name: string | undefined;
  for (let at = 0; at < text.length; at = token.lastIndex) {
    token.lastIndex = skipSpace(text, at);
    if (token.lastIndex === text.length) return;
    const [found] = token.exec(text) ?? [];
    if (found === undefined) throw new BadJson("This is not JSON.");
    if (found === "{" || found === "[") {
      open.push(found === "{" ? new Set() : undefined);
      if (open.length > deepest) throw new BadJson(`At most ${deepest} levels of nesting.`);
    } else if (found === "}" || found === "]") {
      open.pop();
    } else if (found === ":") {
      assertNewName(open.at(-1), name);
    } else if (isOutOfRange(found)) {
      throw new BadJson("A number is out of range.");
    }
    name = found.startsWith('"') ? found : undefined;
  }
}

/** Whether a double can't hold the number: too large, or a whole one that would be rounded. */
function isOutOfRange(found: string): boolean {
  if (!/^-?\d/.test(found)) return false;
  return /^-?\d+$/.test(found)
    ? !Number.isSafeInteger(Number(found))
    : !Number.isFinite(Number(found));
}

function assertNewName(names: Set<string> | undefined, quoted: string | undefined): void {
  if (!names || quoted === undefined) throw new BadJson("This is not JSON.");
  const name = readString(quoted);
  if (name === "__proto__") throw new BadJson('The name "__proto__" is not accepted.');
  if (names.has(name)) throw new BadJson("An object has a name twice.");
  names.add(name);
}

function readString(quoted: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    throw new BadJson("This is not JSON.");
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && " \t\n\r".includes(text.charAt(at))) at += 1;
  return at;
}
