import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hostileUrls } from "../../../packages/egress/test/hostile-urls.ts";
import { makeForm } from "../test/pictures.ts";
import { settle } from "../test/settle.ts";
import { type Call, order, type Stage, setStage } from "../test/stage.ts";

const allowed = "http://127.0.0.1:9/hooks";
const url = "https://hooks.example/ducat?token=s3cret";
const style = "modern_minimalist";
const input = { type: "text", prompt: "a garden" };

let stage: Stage;
let account: string;
beforeAll(async () => {
  stage = await setStage({ deps: { fetchAllowHosts: ["127.0.0.1:9"] } });
  account = await stage.makeAccount(50);
});
afterAll(() => stage.close());

const send = (path: string, call: Call = {}) =>
  stage.call(`/v1/generations${path}`, { account, key: randomUUID(), method: "POST", ...call });
const read = async (id: string): Promise<string | null> => {
  const [row] = await stage.db.admin`
    SELECT webhook_url FROM ducat.generations WHERE id = ${id}`;
  return row?.webhook_url;
};

describe("the webhook_url of a generation", () => {
  it("is kept with it, shown to nobody, and kept by its retry", async () => {
    const body = order({ webhook_url: url });
    const made = await send("", { body });
    expect([made.status, await read(made.body.id)]).toEqual([201, url]);
    const shown = await send(`/${made.body.id}`, { method: "GET" });
    expect(made.text + shown.text).not.toContain("s3cret");
    await settle(stage, account, made.body, ["failed"]);
    const again = await send(`/${made.body.id}/retry`);
    expect([again.status, await read(again.body.id)]).toEqual([201, url]);
    expect(await read((await send("", { body: order() })).body.id)).toBeNull();
  });

  it("is part of what was asked under a key", async () => {
    const key = randomUUID();
    const first = await send("", { key, body: order({ webhook_url: url }) });
    const same = await send("", { key, body: order({ webhook_url: url }) });
    expect(same.text).toBe(first.text);
    const other = await send("", { key, body: order({ webhook_url: `${url}2` }) });
    expect([other.status, other.body.code]).toEqual([422, "idempotency_conflict"]);
  });

  it("is kept with a batch, in whatever form it comes, and by its retry", async () => {
    const rows = [{ input }, { input }];
    const csv = "prompt\na garden\n";
    const field = (name: string, value: string) => ({ name, bytes: Buffer.from(value) });
    const fields = [field("style", style), field("webhook_url", url)];
    const form = makeForm([...fields, { ...field("file", csv), type: "text/csv" }]);
    const query = new URLSearchParams({ style, webhook_url: url });
    const made = [
      await send("/batch", { body: { style, rows, webhook_url: url } }),
      await send("/batch", form),
      await send(`/batch?${query}`, { raw: csv, headers: { "content-type": "text/csv" } }),
    ];
    for (const { status, body } of made) {
      expect([status, status === 201 ? await read(body.id) : body]).toEqual([201, url]);
    }
    await send(`/${made[0]?.body.id}/cancel`);
    const again = await send(`/${made[0]?.body.id}/retry`);
    expect([again.status, await read(again.body.id)]).toEqual([201, url]);
  });

  it("may be any for a host that is named", async () => {
    const made = await send("", { body: order({ webhook_url: allowed }) });
    expect([made.status, await read(made.body.id)]).toEqual([201, allowed]);
  });

  it("is refused at once where nothing would ever be sent", async () => {
    const names = /^https:\/\/(photos|loopback)\.test[:/\\]|@photos\.test\/$|localdomain/;
    const hostile = hostileUrls(443).filter((one) => !names.test(one) && one !== allowed);
    const taken: string[] = [];
    for (const webhook_url of hostile) {
      const single = await send("", { body: order({ webhook_url }) });
      const batch = await send("/batch", { body: { style, rows: [{ input }], webhook_url } });
      for (const { status, body } of [single, batch]) {
        const isRefused = status === 422 && body.errors[0].pointer === "/webhook_url";
        if (!isRefused) taken.push(`${status} ${webhook_url}`);
      }
    }
    expect(taken).toEqual([]);
  });
});
