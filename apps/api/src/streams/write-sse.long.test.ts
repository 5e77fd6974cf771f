import { connect } from "node:net";
import { expect, it, onTestFinished, vi } from "vitest";
import { startChildApi } from "../../test/child-api.ts";
import { rootKey, setStage } from "../../test/stage.ts";

const mebibyte = 1024 * 1024;

it("who takes nothing is cut off after 30 s, and nothing is kept for them", async () => {
  const stage = await setStage();
  onTestFinished(() => stage.close());
  const account = await stage.makeAccount(1);
  // 200 MB: more than any socket buffers, and than a process may keep for ten readers.
  await stage.db.admin`
    INSERT INTO ducat.outbox (account_id, type, data, seq)
    SELECT ${account}, 'credits.low', jsonb_build_object('text', repeat('x', 100000)), 1000 + n
    FROM generate_series(1, 2000) AS n`;
  const api = await startChildApi(stage.db.url);
  const { hostname, port } = new URL(api.url);
  const { rss: idle } = await api.readMemory();
  const sockets = Array.from({ length: 10 }, () => {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => undefined);
    socket.write(
      "GET /v1/events/stream?after=a1.0.0_0 HTTP/1.1\r\nHost: x\r\n" +
        `Authorization: Bearer ${rootKey}\r\nDucat-Account: ${account}\r\n\r\n`,
    );
    // Nothing is read: what the system takes for it is full soon.
    return socket.pause();
  });
  const slow = async () => {
    const text = await (await fetch(`${api.url}/metrics`)).text();
    return /ducat_streams_ended_total{kind="account",why="slow"} (\d+)/.exec(text)?.[1];
  };
  const since = performance.now();
  await vi.waitFor(async () => expect(await slow()).toBe("10"), { timeout: 90_000, interval: 500 });
  expect(performance.now() - since).toBeGreaterThan(25_000);
  const { peak } = await api.readMemory();
  console.log({ idle: idle / mebibyte, peak: peak / mebibyte });
  // A slice each and what reading them leaves to be collected, not 2 GB.
  expect(peak - idle).toBeLessThan(300 * mebibyte);
  for (const socket of sockets) socket.destroy();
  expect(await api.stop()).toBe(0);
}, 180_000);
