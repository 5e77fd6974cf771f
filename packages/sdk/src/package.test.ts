import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makePhoto } from "../../../apps/api/test/pictures.ts";
import { makePackageFolder, type PackageFolder } from "../test/package-folder.ts";
import { rootKey, type Stage, setStage } from "../test/stage.ts";

let stage: Stage;
let folder: PackageFolder;
beforeAll(async () => {
  [folder, stage] = await Promise.all([makePackageFolder(), setStage({ hasWorker: true })]);
});
afterAll(async () => {
  await stage.close();
  await folder.close();
});

const secret = `whsec_${randomBytes(32).toString("base64")}`;

/** A server's request with an event, and one that was tampered with. */
function makeWebhooks() {
  const body = JSON.stringify({ type: "generation.completed", data: { generation_id: "g-1" } });
  const now = new Date();
  const headers = {
    "webhook-id": "e-1",
    "webhook-timestamp": String(Math.floor(now.getTime() / 1_000)),
    "webhook-signature": new Webhook(secret).sign("e-1", now, body),
  };
  return [body, "{}"].map((text) => ({ method: "POST", headers, body: text }));
}

it("every example of the README typechecks and does what it says", async () => {
  await folder.compile(
    folder.examples.map((name) => `${name}.ts`),
    "node",
  );
  const root = await stage.createClient({}, 0);
  const { id } = await root.accounts.create({ external_id: "ada" });
  const body = { amount: 50, reason: "for a test" };
  await root.request("POST /v1/admin/accounts/{id}/credits", { path: { id }, body });
  const photo = join(folder.dir, "garden.jpg");
  await writeFile(photo, await makePhoto(64, 48));
  // All in one process, each with a line of its own before what it prints.
  const driver = `
    const found = {};
    for (const name of ${JSON.stringify(folder.examples)}) {
      console.log("#", name);
      found[name] = await import("./" + name + ".js");
    }
    for (const init of ${JSON.stringify(makeWebhooks())}) {
      const { status } = await found.webhook.handleWebhook(new Request("http://here", init));
      console.log(status);
    }
    console.log(typeof found.browser.showBalance);`;
  await writeFile(join(folder.dir, "out/driver.js"), driver);
  const env = { DUCAT_URL: stage.baseUrl, DUCAT_KEY: rootKey, DUCAT_WEBHOOK_SECRET: secret };
  const printed = await folder.start("driver.js", { ...env, PHOTO: photo });
  const [, ...told] = printed.split("# ").map((part) => part.split(/^[\w-]+\n/)[1]);
  const [generate, upload, follow, lists, browser, webhook, rest] = told;
  expect(generate).toMatch(/^completed \{[^}]*type: 'image\/webp'/);
  expect(upload).toContain("[ 'Terrace', 'pending' ]");
  expect(follow).toMatch(/^(?:[\s\S]*\n)?\d+\n$/);
  expect(lists).toMatch(/^generation -\d+ \d+\n[\s\S]*trial 3 3\n\d \w+\n$/);
  expect([browser, webhook]).toEqual(["", ""]);
  expect(rest).toMatch(/^Modern minimalist \d+\ng-1\n204\n400\nfunction\n$/);
});
