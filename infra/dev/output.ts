import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

const LEVELS: Record<number, string> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "ERROR",
  60: "FATAL",
};
const MAX_LINE = 4000;

interface LogLine {
  level?: number;
  msg?: string;
  err?: { message?: string; code?: string; stack?: string };
  method?: string;
  path?: string;
  status?: number;
  ms?: number;
}

/** Passes whole lines of a child's output on, each with the child's name before it. */
export function prefixLines(name: string, stream: Readable, write: (line: string) => void): void {
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  lines.on("line", (line) => write(`${name.padEnd(6)} | ${shortenLine(line)}`));
}

/** A line of JSON log as "level message (cause)" or "level request"; any other as it is. */
export function shortenLine(line: string): string {
  const text = formatLog(line) ?? line;
  return text.length > MAX_LINE ? `${text.slice(0, MAX_LINE)} ...` : text;
}

function formatLog(line: string): string | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const { level, msg, err, ...request } = JSON.parse(line) as LogLine;
    if (level === undefined) return undefined;
    const { method, path, status, ms } = request;
    const what = method ? `${method} ${path} ${status} ${ms} ms` : (msg ?? "");
    const cause = err?.message && err.message !== msg ? ` (${err.message})` : "";
    const stack = level >= 50 && err?.stack ? `\n${err.stack}` : "";
    return `${(LEVELS[level] ?? String(level)).padEnd(5)} ${what}${cause}${stack}`;
  } catch {
    return undefined;
  }
}
