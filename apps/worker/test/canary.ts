import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";

export type Canary = { port: number; hits(): number; reset(): void; close(): void };

/** A listener on this machine's addresses: whoever connects to it has got through. */
export async function openCanary(): Promise<Canary> {
  const servers: Server[] = [];
  let hits = 0;
  const listen = async (host: string, port: number) => {
    const server = createServer((socket) => {
      hits += 1;
      socket.destroy();
    });
    servers.push(server);
    await once(server.listen(port, host), "listening");
    return (server.address() as AddressInfo).port;
  };
  const port = await listen("127.0.0.1", 0);
  // A machine may have no IPv6.
  await listen("::1", port).catch(() => {});
  return {
    port,
    hits: () => hits,
    reset: () => {
      hits = 0;
    },
    close: () => {
      for (const server of servers) server.close();
    },
  };
}
