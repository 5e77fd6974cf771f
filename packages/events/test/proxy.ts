import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export type CutLine = {
  /** The URL with this proxy's place in it. */
  through(url: string): string;
  /** How many connections there are. */
  count(): number;
  /** How many bytes clients have sent so far. */
  sent(): number;
  /** Ends all connections and takes no more. */
  cut(): void;
  /** Keeps connections and passes nothing on, either way: a peer that is gone in silence. */
  freeze(): void;
  /** Takes connections again; those that were frozen stay so. */
  mend(): void;
  close(): Promise<void>;
};

/** A line to a server that a test can cut. */
export async function startProxy(target: string): Promise<CutLine> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let state: "open" | "cut" | "frozen" = "open";
  let bytes = 0;
  const server = createServer((client) => {
    if (state === "cut") return void client.destroy();
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        open.delete(socket);
        (socket === client ? upstream : client).destroy();
      });
    }
    client.on("data", (data) => {
      bytes += data.length;
    });
    if (state === "frozen") return;
    client.pipe(upstream);
    upstream.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const place = (server.address() as AddressInfo).port;
  const cut = () => {
    state = "cut";
    for (const socket of open) socket.destroy();
  };
  return {
    through(url) {
      const there = new URL(url);
      there.hostname = "127.0.0.1";
      there.port = String(place);
      return there.href;
    },
    count: () => open.size / 2,
    sent: () => bytes,
    cut,
    freeze() {
      state = "frozen";
      for (const socket of open) {
        socket.unpipe();
        socket.pause();
      }
    },
    mend() {
      state = "open";
    },
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
