import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/**
 * Where a connection breaks; `hang`: it never does, and nothing comes back either. A number: after
 * so many bytes of what comes back.
 */
export type Fault =
  | ("before" | "within-request" | "before-answer" | "within-answer" | "hang")
  | number;

export type FaultyProxy = {
  url: string;
  /** How many connections are still to fail. */
  left(): number;
  close(): Promise<void>;
};

/**
 * A TCP proxy before a port of this machine. Its first connections break as the faults say, one
 * each; those after them work.
 */
export async function startFaultyProxy(port: number, plan: Fault[]): Promise<FaultyProxy> {
  const faults = [...plan];
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    track(client);
    const fault = faults.shift();
    if (fault === "before") return void client.resetAndDestroy();
    const upstream = connect(port, "127.0.0.1");
    track(upstream);
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
    client.on("data", (chunk: Buffer) => {
      if (fault === "within-request") {
        upstream.write(chunk.subarray(0, chunk.length - 10));
        return void client.resetAndDestroy();
      }
      upstream.write(chunk);
    });
    let passed = 0;
    upstream.on("data", (chunk: Buffer) => {
      if (fault === "hang") return;
      if (typeof fault === "number") {
        client.write(chunk.subarray(0, Math.max(0, fault - passed)));
        passed += chunk.length;
        if (passed >= fault) client.end(() => client.destroy());
        return;
      }
      if (fault === undefined) return void client.write(chunk);
      // The API has done it by now.
      if (fault === "within-answer") client.write(chunk.subarray(0, chunk.length - 5));
      client.end(() => client.destroy());
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    left: () => faults.length,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
