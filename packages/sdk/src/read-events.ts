/** One event of a stream (the HTML standard, 9.2), and what is no event but shows that it lives. */
export type StreamPart =
  | { kind: "event"; id: string | undefined; type: string; data: string }
  | { kind: "retry"; ms: number }
  | { kind: "sign" };

/** A line or an event that goes on for longer than this is none of ours. */
const mostCharacters = 4 * 1024 * 1024;

/**
 * Reads text/event-stream as it comes, and no faster than its reader reads. Comments and blank
 * lines are signs of life.
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamPart> {
  let fields = new Map<string, string>();
  for await (const line of readLines(body)) {
    if (line === "") {
      const data = fields.get("data");
      const part = { id: fields.get("id"), type: fields.get("event") ?? "message" };
      yield data === undefined ? { kind: "sign" } : { kind: "event", ...part, data };
      fields = new Map();
      continue;
    }
    const [, name = "", value = ""] = /^([^:]*)(?:: ?([\s\S]*))?$/.exec(line) ?? [];
    if (name === "") yield { kind: "sign" };
    else if (name === "retry" && /^\d{1,7}$/.test(value))
      yield { kind: "retry", ms: Number(value) };
    else addField(fields, name, value);
  }
}

function addField(fields: Map<string, string>, name: string, value: string): void {
  const before = name === "data" ? fields.get("data") : undefined;
  const all = before === undefined ? value : `${before}\n${value}`;
  if (all.length > mostCharacters) throw new RangeError("An event is too large.");
  fields.set(name, all);
}

/** Lines end in LF, CR or both; what is cut off at the end is none. */
async function* readLines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let isAfterReturn = false;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      let text = decoder.decode(part.value, { stream: true });
      if (text === "") continue;
      if (isAfterReturn && text.startsWith("\n")) text = text.slice(1);
      isAfterReturn = text.endsWith("\r");
      const lines = `${rest}${text}`.split(/\r\n|\n|\r/);
      rest = lines.pop() ?? "";
      if (rest.length > mostCharacters) throw new RangeError("A line is too long.");
      yield* lines;
    }
  } finally {
    // Whoever stops reading hangs up.
    await reader.cancel().catch(() => undefined);
  }
}
