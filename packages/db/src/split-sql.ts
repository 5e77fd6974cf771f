/** One statement of a file: its text without comments, and the line where it begins. */
export type Statement = { text: string; line: number };

/**
 * What a scanner sees next, the longest first: comments (blocks may nest), strings, dollar quotes,
 * quoted names, the end of a statement, anything else.
 */
const token = new RegExp(
  [
    /--[^\n]*|\/\*/,
    /[eE]'(?:[^'\\]|''|\\[\s\S])*'|'(?:[^']|'')*'/,
    /(\$[A-Za-z_]?\w*\$)[\s\S]*?\1|"(?:[^"]|"")*"/,
    /;|[A-Za-z_][\w$]*|[\s\S]/,
  ]
    .map((part) => part.source)
    .join("|"),
  "y",
);

/**
 * Cuts SQL text into its statements, as the server would. With `mask`, strings and dollar quotes
 * come out empty and quoted names without quotes, so that words in them are not taken for SQL.
 */
export function splitStatements(text: string, { mask = false } = {}): Statement[] {
  const statements: Statement[] = [];
  let line = 1;
  let current = "";
  let startLine = 1;
  const end = () => {
    const trimmed = current.replace(/\s+/g, mask ? " " : "$&").trim();
    if (trimmed !== "") statements.push({ text: trimmed, line: startLine });
    current = "";
  };
  for (const part of readTokens(text)) {
    if (current.trim() === "") startLine = line;
    line += part.split("\n").length - 1;
    if (part === ";") end();
    else if (part.startsWith("--") || part.startsWith("/*")) current += " ";
    else current += mask ? maskToken(part) : part;
  }
  end();
  return statements;
}

function maskToken(part: string): string {
  if (part.length > 1 && (part.endsWith("'") || part.endsWith("$"))) return "''";
  if (part.length > 1 && part.startsWith('"')) return part.slice(1, -1);
  return part;
}

function* readTokens(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    token.lastIndex = at;
    const [found = text.charAt(at)] = token.exec(text) ?? [];
    const part = found === "/*" ? readBlockComment(text, at) : found;
    yield part;
    at += part.length;
  }
}

function readBlockComment(text: string, start: number): string {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = start + 2;
  for (let depth = 1; depth > 0; ) {
    const found = mark.exec(text);
    if (found === null) return text.slice(start);
    depth += found[0] === "/*" ? 1 : -1;
  }
  return text.slice(start, mark.lastIndex);
}
