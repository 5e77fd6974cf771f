import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makePackageFolder, type PackageFolder } from "../test/package-folder.ts";

describe("the package, as npm puts it into an empty folder without a network", () => {
  let folder: PackageFolder;
  beforeAll(async () => {
    folder = await makePackageFolder({ npm: true });
  });
  afterAll(() => folder.close());

  it("has no dependencies and no files but its own", async () => {
    const path = join(folder.dir, "node_modules/@ducat/sdk/package.json");
    const manifest = JSON.parse(await readFile(path, "utf8"));
    expect(manifest).not.toHaveProperty("dependencies");
    const lock = JSON.parse(await readFile(join(folder.dir, "package-lock.json"), "utf8"));
    expect(Object.keys(lock.packages)).toEqual(["", "node_modules/@ducat/sdk"]);
  });

  it("has types that hold for servers and for browsers", async () => {
    const all = folder.examples.map((name) => `${name}.ts`);
    await folder.compile(all, "node");
    await folder.compile(["browser.ts"], "browser");
  });

  it("has types that find what is wrong", async () => {
    const wrong = {
      "createDucat({ baseURL: '', key: '' });": "baseURL",
      "createDucat({ baseUrl: '', key: '', token: () => '' });": "token",
      "createDucat({ baseUrl: '', key: '' }).generations.create({ style: 'x' });": "input",
      "createDucat({ baseUrl: '', key: '' }).request('GET /v1/nothing');": "GET /v1/nothing",
      "createDucat({ baseUrl: '', key: '' }).request('GET /v1/images/{id}');": "arguments",
    };
    for (const [code, named] of Object.entries(wrong)) {
      const text = `import { createDucat } from "@ducat/sdk";\n${code}\n`;
      await writeFile(join(folder.dir, "wrong.ts"), text);
      await expect(folder.compile(["wrong.ts"], "browser")).rejects.toThrow(named);
    }
  });

  it("runs", async () => {
    const code = `import { createDucat } from "@ducat/sdk";
      import { DucatError } from "@ducat/sdk/errors";
      const ducat = createDucat({ baseUrl: "http://127.0.0.1:1", key: "x", maxRetries: 0 });
      const error = await ducat.credits.balance().catch((caught: unknown) => caught);
      console.log(error instanceof DucatError && error.code);`;
    await writeFile(join(folder.dir, "runs.ts"), code);
    await folder.compile(["runs.ts"], "node");
    expect(await folder.start("runs.js", {})).toBe("connection_failed\n");
  });
});
