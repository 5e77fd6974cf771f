import { execFile } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { makeScratch } from "./test/scratch.ts";

const run = fileURLToPath(new URL("./run.mjs", import.meta.url));

function startDucat(env: Record<string, string>): Promise<{ code: unknown; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [run, "start"], { env, timeout: 20_000 }, (error, out, err) => {
      resolve({ code: error?.code ?? 0, output: out + err });
    });
  });
}

it("says what to do about a busy port, before it starts anything", async () => {
  const dir = await makeScratch();
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  onTestFinished(() => void other.close());
  const { port } = other.address() as AddressInfo;
  const { code, output } = await startDucat({ PORT: String(port), DATA_DIR: dir });
  expect(output).toContain(`Port ${port} is taken`);
  expect(output).toContain(`PORT=${port + 1} npm start`);
  expect(code).toBe(1);
  expect(await readdir(dir)).toEqual([]);
});

it("refuses an environment that it does not understand", async () => {
  const { code, output } = await startDucat({ PORT: "http", DUCAT_MODE: "prod" });
  expect(output).toContain('PORT is "http"');
  expect(output).toContain('DUCAT_MODE is "prod"');
  expect(code).toBe(1);
});
