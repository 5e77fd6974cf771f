import { type ClientRequest, get } from "node:http";

/** A stream over a connection of its own, of which only the end is kept. */
export type RawStream = {
  /** Resolves when the text has come, also when it came before. */
  until(text: string): Promise<void>;
  close(): void;
};

export type RawStreams = {
  url: string;
  headers: Record<string, string>;
  /** Streams go round among them. */
  accounts: readonly string[];
  count: number;
};

const atOnce = 50;

/** Opens streams of accounts, some at a time; each has told the balance when this resolves. */
export async function openRawStreams(options: RawStreams): Promise<RawStream[]> {
  const { accounts, count } = options;
  const streams: RawStream[] = [];
  while (streams.length < count) {
    const from = streams.length;
    const some = await Promise.all(
      Array.from({ length: Math.min(atOnce, count - from) }, (_, n) =>
        openOne(options, accounts[(from + n) % accounts.length] ?? ""),
      ),
    );
    await Promise.all(some.map(({ until }) => until("event: balance")));
    streams.push(...some);
  }
  return streams;
}

function openOne({ url, headers }: RawStreams, account: string): Promise<RawStream> {
  return new Promise((resolve, reject) => {
    const options = { agent: false, headers: { ...headers, "ducat-account": account } };
    const request: ClientRequest = get(`${url}/v1/events/stream`, options, (response) => {
      let rest = "";
      let tell = () => {};
      response.setEncoding("utf8").on("data", (text: string) => {
        rest = (rest + text).slice(-2_000);
        tell();
      });
      response.on("error", () => undefined);
      const until = (text: string) =>
        new Promise<void>((found) => {
          tell = () => rest.includes(text) && found();
          tell();
        });
      if (response.statusCode === 200) resolve({ until, close: () => request.destroy() });
      else reject(new Error(`A stream was refused with ${response.statusCode}.`));
    });
    request.on("error", reject);
  });
}
