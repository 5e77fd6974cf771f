import { randomUUID } from "node:crypto";
import { AccountPage } from "@ducat/types/admin-accounts";
import { AdminGenerationPage } from "@ducat/types/admin-generations";
import { AdminPaymentPage } from "@ducat/types/admin-payments";
import { AuditLogPage } from "@ducat/types/audit-logs";
import { AdminDeliveryPage } from "@ducat/types/webhook-endpoints";
import { WebhookEventPage } from "@ducat/types/webhook-events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { storeWebhookEvent } from "../../../../packages/db/src/webhook-events.ts";
import { makeOffer, makePaid } from "../../../../packages/db/test/billing-factories.ts";
import { readCsv } from "../../test/parse-csv.ts";
import { settle } from "../../test/settle.ts";
import { order, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
let account: string;
beforeAll(async () => {
  stage = await setStage();
  account = await stage.makeAccount(9);
  await stage.makeAccount(1);
  const { price } = await makeOffer(stage.db.admin);
  await makePaid(stage.db.app, account, { priceId: price.id });
  await makePaid(stage.db.app, account, { priceId: price.id });
  for (const areas of [["a"], ["b", "c"]]) {
    const call = { account, key: randomUUID(), body: order({ areas }) };
    const made = await stage.call("/v1/generations", call);
    await settle(
      stage,
      account,
      made.body,
      areas.length > 1 ? ["failed", "completed"] : ["completed"],
    );
  }
  const hook = { account, body: { url: "https://hooks.example/" } };
  const endpoint = (await stage.call("/v1/webhook-endpoints", hook)).body.id;
  for (const name of ["first", "second"]) {
    const test = `/v1/webhook-endpoints/${endpoint}/test`;
    expect([name, (await stage.call(test, { account, method: "POST" })).status]).toEqual([
      name,
      201,
    ]);
  }
  for (const type of ["charge.succeeded", "charge.failed"]) {
    await storeWebhookEvent(stage.db.app, {
      ...{ provider: "stripe", mode: "test", dedupe: randomUUID(), deliveryId: "=cmd", type },
      ...{ occurredAt: new Date(), body: Buffer.from("{}") },
    });
  }
});
afterAll(() => stage.close());

const lists = {
  accounts: AccountPage,
  generations: AdminGenerationPage,
  payments: AdminPaymentPage,
  "audit-logs": AuditLogPage,
  deliveries: AdminDeliveryPage,
  "webhook-events": WebhookEventPage,
};
type List = keyof typeof lists;
const names = Object.keys(lists) as List[];

const path = (list: List, query: Record<string, string> = {}) =>
  `/v1/admin/${list}?${new URLSearchParams(query)}`;
const read = async (list: List, query: Record<string, string> = {}) => {
  const { status, body } = await stage.call(path(list, query));
  expect([list, status]).toEqual([list, 200]);
  return lists[list].parse(body);
};
const readFile = async (list: List, query: Record<string, string> = {}) => {
  const { text } = await stage.call(path(list, query), { headers: { accept: "text/csv" } });
  return readCsv(text);
};
const ids = async (list: List, query: Record<string, string> = {}) => {
  const found = (await read(list, { limit: "100", ...query })).data.map(({ id }) => id);
  expect((await readFile(list, query)).map(({ id }) => id)).toEqual(found);
  return found;
};

describe.each(names)("the list of %s", (list) => {
  it("is the same as pages, as one page and as a file", async () => {
    const all = await ids(list);
    expect(all.length).toBeGreaterThan(1);
    const paged: string[] = [];
    let cursor: string | null = null;
    do {
      const query: Record<string, string> = cursor === null ? {} : { cursor };
      const page: { data: { id: string }[]; next_cursor: string | null } = await read(list, {
        ...query,
        limit: "1",
      });
      paged.push(...page.data.map(({ id }) => id));
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(paged).toEqual(all);
  });

  it("tells in its file what it tells on its pages", async () => {
    const { data } = await read(list, { limit: "100" });
    const rows = await readFile(list);
    for (const [at, row] of data.entries()) {
      for (const [name, value] of Object.entries(row)) {
        const cell = rows[at]?.[name];
        if (cell === undefined || (typeof value === "object" && value !== null)) continue;
        const told = value === null ? "" : String(value);
        expect([name, cell.replace(/^'/, "")]).toEqual([name, told]);
      }
    }
  });

  it("is for admins, knows its filters, and takes no other list's cursor", async () => {
    const { status } = await stage.call(path(list), { bearer: null });
    expect(status).toBe(401);
    const token = await stage.call(`/v1/accounts/${account}/tokens`, { method: "POST", body: {} });
    const foreign = await stage.call(path(list), { bearer: token.body.token });
    expect([foreign.status, foreign.body.code]).toEqual([403, "forbidden"]);
    const cursor = Buffer.from(`transaction:1`).toString("base64url");
    for (const query of [{ nonsense: "1" }, { from: "x" }, { cursor }, { limit: "101" }]) {
      const refused = await stage.call(path(list, query as Record<string, string>));
      expect([refused.status, refused.body.code]).toEqual([422, "validation_failed"]);
    }
    expect(await ids(list, { from: "2999-01-01T00:00:00Z" })).toEqual([]);
  });
});

describe("a filter", () => {
  it("of generations is an account, a state, a style, an error", async () => {
    const all = await read("generations", { account });
    const [failed, whole] = all.data as { id: string; failed_items: number; items: number }[];
    expect([failed?.failed_items, failed?.items, whole?.items]).toEqual([1, 2, 1]);
    expect(await ids("generations", { account, status: "completed" })).toHaveLength(2);
    expect(await ids("generations", { status: "pending" })).toEqual([]);
    expect(await ids("generations", { style: "modern_minimalist" })).toHaveLength(2);
    const { error_codes } = all.data[0] as { error_codes: string[] };
    expect(await ids("generations", { error_code: error_codes[0] ?? "" })).toEqual([failed?.id]);
    const nobody = await stage.call(path("generations", { account: "nobody" }));
    expect(nobody.status).toBe(404);
  });

  it("of the audit log is who, what, to whom and by which request", async () => {
    const made = await ids("audit-logs", { action: "account.create" });
    expect(made).toHaveLength(2);
    const given = await read("audit-logs", { account, action: "credits.adjust" });
    const [line] = given.data as { id: string; request_id: string; resource_id: string }[];
    expect(given.data).toHaveLength(1);
    expect(await ids("audit-logs", { request_id: line?.request_id ?? "" })).toEqual([line?.id]);
    expect(await ids("audit-logs", { resource_id: account, resource: "account" })).toContain(
      line?.id,
    );
    expect(await ids("audit-logs", { actor: "root", action: "credits.adjust" })).toHaveLength(2);
    expect(await ids("audit-logs", { actor: "nobody" })).toEqual([]);
  });

  it("of accounts and webhooks is what is known of them", async () => {
    expect(await ids("accounts", { frozen: "true" })).toEqual([]);
    expect(await ids("accounts", { active: "true", kind: "user" })).toContain(account);
    expect(await ids("accounts", { query: account })).toEqual([account]);
    expect(await ids("webhook-events", { type: "charge.failed" })).toHaveLength(1);
    expect(await ids("webhook-events", { status: "dead" })).toEqual([]);
    const [event] = await readFile("webhook-events", { provider: "stripe" });
    expect(event?.delivery_id).toBe("'=cmd");
  });
});

it("refuses cursors beyond what the database counts with", async () => {
  const none = "00000000-0000-0000-0000-000000000000";
  const made = {
    "catalog/versions": "version:9999999999",
    "styles/modern_minimalist/versions": "version:9999999999",
    generations: `admin_generation:9999999999999999.${none}`,
  };
  for (const [path, text] of Object.entries(made)) {
    const cursor = Buffer.from(text).toString("base64url");
    const { status, body } = await stage.call(`/v1/admin/${path}?cursor=${cursor}`);
    expect({ path, status, code: body.code }).toMatchObject({ path, status: 422 });
  }
});
