import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import {
  claimOf,
  makeEndpoint,
  planEvents,
  planOutbox,
  sealedSecret,
  settle,
} from "../test/webhooks.ts";
import { eraseAccount } from "./erasures.ts";
import { cancelGeneration } from "./generations.ts";
import { forgetDeliveries, forgetEndpoints } from "./purges.ts";
import { listDeliveries } from "./webhook-deliveries.ts";
import {
  createEndpoint,
  deleteEndpoint,
  deploymentId,
  ensureWebhookSecret,
  findEndpoint,
  listEndpoints,
  readEndpointSecrets,
  rotateSecret,
  rotateWebhookSecret,
  testEndpoint,
  updateEndpoint,
} from "./webhook-endpoints.ts";

const database = useDatabase();
const audit = { actor: "root", request_id: "request-1", ip: "192.0.2.1" };
const secretOf = (n: number) => sealedSecret(`the sealed secret number ${n}`);

const linesOf = (resourceId: string) => database.admin`
  SELECT account_id, actor, action, metadata FROM ducat.audit_logs
  WHERE resource_id = ${resourceId} ORDER BY id`;

describe("an endpoint", () => {
  it("is made, changed and taken away, each with an audit line without its address", async () => {
    const { id: account } = await makeAccount(database.app);
    const made = await createEndpoint(database.app, account, {
      ...{ url: "https://canary.example/hooks", description: "the shop", audit },
      ...{ events: ["credits.low"], secret: secretOf(1) },
    });
    expect(made).toMatchObject({
      ...{ url: "https://canary.example/hooks", description: "the shop", status: "enabled" },
      ...{ events: ["credits.low"], disabled_reason: null, failures: 0, last_success_at: null },
    });
    expect(made).not.toHaveProperty("secrets");
    const { id } = made;
    const changed = await updateEndpoint(database.app, account, { id, events: null, audit });
    expect(changed).toMatchObject({ events: null, description: "the shop", url: made.url });
    const bare = await updateEndpoint(database.app, account, { id, description: null, audit });
    expect(bare).toMatchObject({ events: null, description: null });
    expect(await findEndpoint(database.app, account, id)).toEqual(bare);
    expect(await listEndpoints(database.app, account)).toEqual([bare]);
    await deleteEndpoint(database.app, account, { id, audit });
    expect(await listEndpoints(database.app, account)).toEqual([]);
    expect(await findEndpoint(database.app, account, id)).toBe(undefined);
    await expect(deleteEndpoint(database.app, account, { id, audit })).rejects.toMatchObject({
      code: "not_found",
    });
    const lines = await linesOf(id);
    expect(lines.map(({ action }) => action)).toEqual([
      ...["webhook_endpoint.create", "webhook_endpoint.update", "webhook_endpoint.update"],
      "webhook_endpoint.delete",
    ]);
    expect(lines[1]).toMatchObject({
      ...{ account_id: account, actor: "root" },
      metadata: { changed: ["events"], before: { events: ["credits.low"] } },
    });
    expect(JSON.stringify(lines)).not.toContain("canary");
  });

  it("that moves to another address starts afresh there, with all that waits", async () => {
    const { id: account } = await makeAccount(database.app);
    const { id } = await makeEndpoint(database.app, account);
    const events = await planEvents(database.admin, account, { count: 2 });
    await database.admin`
      UPDATE ducat.webhook_endpoints SET failures = 9,
        retry_at = clock_timestamp() + interval '1 h',
        failing_since = clock_timestamp() - interval '4 days', due_at = retry_at
      WHERE id = ${id}`;
    const same = { id, url: "https://shop.example/hooks", audit };
    expect(await updateEndpoint(database.app, account, same)).toMatchObject({ failures: 9 });
    expect(await claimOf(database.worker, account)).toEqual([]);
    const url = "https://new.example/hooks";
    expect(await updateEndpoint(database.app, account, { id, url, audit })).toMatchObject({
      ...{ url, failures: 0, failing_since: null, retry_at: null },
    });
    const claimed = await claimOf(database.worker, account);
    expect(claimed.map(({ event }) => event.id)).toEqual(events);
    expect(claimed.every((one) => one.url === url)).toBe(true);
  });

  it("that is disabled gets nothing of what waited, and enabled again starts afresh", async () => {
    const { id: account } = await makeAccount(database.app);
    const { id } = await makeEndpoint(database.app, account);
    await planEvents(database.admin, account, { count: 3 });
    await database.admin`
      UPDATE ducat.webhook_endpoints SET failures = 3, failing_since = clock_timestamp()
      WHERE id = ${id}`;
    const off = await updateEndpoint(database.app, account, { id, status: "disabled", audit });
    expect(off).toMatchObject({ status: "disabled", disabled_reason: "manual" });
    expect(off.disabled_at).not.toBe(null);
    const all = await listDeliveries(database.app, account, { endpointId: id, limit: 9 });
    expect(all.map(({ status }) => status)).toEqual(["failed", "failed", "failed"]);
    await planEvents(database.admin, account, {});
    const on = await updateEndpoint(database.app, account, { id, status: "enabled", audit });
    expect(on).toMatchObject({ status: "enabled", disabled_reason: null, disabled_at: null });
    expect(on).toMatchObject({ failures: 0, failing_since: null });
    expect(await claimOf(database.worker, account)).toEqual([]);
    const [next] = await planEvents(database.admin, account, {});
    expect(await claimOf(database.worker, account)).toMatchObject([{ event: { id: next } }]);
  });

  it("is one of 16 of an account and 64 of the deployment, however many ask at once", async () => {
    const { id: account } = await makeAccount(database.app);
    for (let n = 0; n < 13; n++) await makeEndpoint(database.app, account);
    const more = [1, 2, 3, 4, 5, 6].map(() => makeEndpoint(database.app, account));
    const refused = (await Promise.allSettled(more)).filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(3);
    expect(refused[0]).toMatchObject({
      reason: { code: "invalid_state", detail: { extra: { reason: "too_many_endpoints" } } },
    });
    const [one] = await listEndpoints(database.app, account);
    await deleteEndpoint(database.app, account, { id: one?.id ?? "", audit });
    await makeEndpoint(database.app, account);
    expect(await listEndpoints(database.app, account)).toHaveLength(16);
    await Promise.allSettled(
      Array.from({ length: 66 }, () => makeEndpoint(database.app, deploymentId)),
    );
    expect(await listEndpoints(database.app, deploymentId)).toHaveLength(64);
  });

  it("belongs to an account that there is", async () => {
    const making = makeEndpoint(database.app, randomUUID());
    await expect(making).rejects.toMatchObject({ code: "not_found" });
  });

  it("is tested by an event of its own, which no other endpoint hears of", async () => {
    const { id: account } = await makeAccount(database.app);
    const { id } = await makeEndpoint(database.app, account, { events: ["credits.low"] });
    await makeEndpoint(database.app, account);
    const delivery = await testEndpoint(database.app, account, { id, audit });
    expect(delivery).toMatchObject({ endpoint_id: id, event_type: "webhook.test" });
    await database.admin`
      SELECT ducat.plan_deliveries(ARRAY[${account}::uuid], ARRAY[${delivery.event_id}::uuid])`;
    expect(await claimOf(database.worker, account)).toMatchObject([
      { id: delivery.id, event: { type: "webhook.test", data: { endpoint_id: id } } },
    ]);
    await updateEndpoint(database.app, account, { id, status: "disabled", audit });
    await expect(testEndpoint(database.app, account, { id, audit })).rejects.toMatchObject({
      ...{ code: "invalid_state", detail: { extra: { reason: "endpoint_disabled" } } },
    });
  });
});

describe("a secret", () => {
  it("signs beside the new one for as long as was said", async () => {
    const { id: account } = await makeAccount(database.app);
    const { id } = await makeEndpoint(database.app, account, secretsFrom(1));
    const rotate = (n: number, overlapSeconds: number) =>
      rotateSecret(database.app, account, { id, secret: secretOf(n), overlapSeconds, audit });
    const second = await rotate(2, 3600);
    expect(second.map(({ sealed }) => sealed)).toEqual([secretOf(2).sealed, secretOf(1).sealed]);
    expect(second[0]?.expires_at).toBe(null);
    const left = Date.parse(second[1]?.expires_at ?? "") - Date.now();
    expect(left).toBeGreaterThan(3_590_000);
    expect(left).toBeLessThan(3_610_000);
    const third = await rotate(3, 7200);
    expect(third).toHaveLength(3);
    // A longer overlap makes no former one live longer than it was to.
    expect(third[2]).toEqual(second[1]);
    expect(await readEndpointSecrets(database.app, account, id)).toEqual(third);
    await planEvents(database.admin, account, {});
    const [claimed] = await claimOf(database.worker, account);
    expect(claimed?.sealedSecrets).toEqual([secretOf(3), secretOf(2), secretOf(1)]);
    expect(await rotate(4, 0)).toEqual([{ ...secretOf(4), expires_at: null }]);
  });

  it("that has expired signs no more, and of many the newest five do", async () => {
    const { id: account } = await makeAccount(database.app);
    const { id } = await makeEndpoint(database.app, account, secretsFrom(1));
    for (let n = 2; n <= 8; n++) {
      const wish = { id, secret: secretOf(n), overlapSeconds: 60, audit };
      await rotateSecret(database.app, account, wish);
    }
    const five = await readEndpointSecrets(database.app, account, id);
    expect(five.map(({ sealed }) => sealed)).toEqual(
      [8, 7, 6, 5, 4].map((n) => secretOf(n).sealed),
    );
    await database.admin`
      UPDATE ducat.webhook_endpoints
      SET secrets = jsonb_set(secrets, '{2,expires_at}', '"2026-01-01T00:00:00Z"')
      WHERE id = ${id}`;
    const four = await readEndpointSecrets(database.app, account, id);
    expect(four.map(({ sealed }) => sealed)).toEqual([8, 7, 5, 4].map((n) => secretOf(n).sealed));
  });

  it("of an account is made once, by whoever asks first", async () => {
    const { id: account } = await makeAccount(database.app);
    const asked = await Promise.all(
      [1, 2, 3, 4, 5].map((n) => ensureWebhookSecret(database.app, account, secretOf(n))),
    );
    expect(new Set(asked.map((secrets) => JSON.stringify(secrets))).size).toBe(1);
    const wish = { secret: secretOf(6), overlapSeconds: 60, audit };
    const rotated = await rotateWebhookSecret(database.app, account, wish);
    expect(rotated.map(({ sealed }) => sealed)).toEqual([
      secretOf(6).sealed,
      asked[0]?.[0]?.sealed,
    ]);
    expect(await ensureWebhookSecret(database.app, account, secretOf(7))).toEqual(rotated);
    const other = await makeAccount(database.app);
    expect(await rotateWebhookSecret(database.app, other.id, wish)).toHaveLength(1);
  });

  it("is stored only sealed", async () => {
    const { id: account } = await makeAccount(database.app);
    const secret = { secret: "whsec_in_clear_and_long_enough" } as unknown as { sealed: string };
    await expect(ensureWebhookSecret(database.app, account, secret)).rejects.toMatchObject({
      code: "validation_failed",
    });
  });
});

const secretsFrom = (n: number) => ({ secret: secretOf(n) });

const readOutbox = async (admin: typeof database.admin, accountId: string) =>
  JSON.stringify(await admin`SELECT data FROM ducat.outbox WHERE account_id = ${accountId}`);

describe("erasing an account", () => {
  it("takes its endpoints, deliveries and secrets along, and those of nobody else", async () => {
    const { id: account } = await makeAccount(database.app);
    const { id: other } = await makeAccount(database.app);
    for (const owner of [account, other]) {
      await makeEndpoint(database.app, owner, { url: "https://canary.example/y" });
      await ensureWebhookSecret(database.app, owner, secretOf(1));
      const webhookUrl = "https://canary.example/x";
      const { id } = await makeGeneration(database.app, owner, { webhookUrl });
      await cancelGeneration(database.app, owner, id);
      await planOutbox(database.admin, owner);
      for (const claimed of await claimOf(database.worker, owner)) {
        await settle(database.worker, claimed, { ok: false, gone: true });
      }
    }
    expect(await readOutbox(database.admin, account)).toContain("canary.example");
    await eraseAccount(database.app, account, { isConfirmed: true, audit });
    const count = async (owner: string) => {
      const [row] = await database.admin`
        SELECT (SELECT count(*)::int FROM ducat.webhook_endpoints WHERE account_id = ${owner}),
          (SELECT count(*)::int FROM ducat.webhook_deliveries WHERE account_id = ${owner}) AS sent,
          (SELECT count(*)::int FROM ducat.webhook_secrets WHERE account_id = ${owner}) AS secrets`;
      return row;
    };
    expect(await count(account)).toEqual({ count: 0, sent: 0, secrets: 0 });
    expect(await readOutbox(database.admin, account)).not.toContain("canary.example");
    expect(await count(other)).toEqual({ count: 2, sent: 4, secrets: 1 });
    await expect(ensureWebhookSecret(database.app, account, secretOf(2))).rejects.toMatchObject({
      code: "not_found",
    });
  });
});

describe("upkeep", () => {
  it("forgets deliveries that ended, after 30 days", async () => {
    const { id: account } = await makeAccount(database.app);
    const { id } = await makeEndpoint(database.app, account);
    await planEvents(database.admin, account, { count: 4 });
    const [, , ended] = await listDeliveries(database.app, account, { endpointId: id, limit: 9 });
    const backdate = async (delivery: string, days: number) => database.admin`
      UPDATE ducat.webhook_deliveries
      SET id = ducat.uuid_at(clock_timestamp() - make_interval(days => ${days})),
        created_at = clock_timestamp() - make_interval(days => ${days}),
        status = 'delivered', due_at = NULL, ended_at = clock_timestamp()
      WHERE id = ${delivery}`;
    const all = await listDeliveries(database.app, account, { endpointId: id, limit: 9 });
    await backdate(all[0]?.id ?? "", 31);
    await backdate(all[1]?.id ?? "", 29);
    await database.admin`
      UPDATE ducat.webhook_deliveries
      SET id = ducat.uuid_at(clock_timestamp() - interval '32 days'),
        created_at = clock_timestamp() - interval '32 days'
      WHERE id = ${ended?.id ?? ""}`;
    await forgetDeliveries(database.worker, { after: null, limit: 1000 });
    const left = await listDeliveries(database.app, account, { endpointId: id, limit: 9 });
    expect(left.map(({ status }) => status).sort()).toEqual(["delivered", "pending", "pending"]);
  });

  it("gives up what disabling has left, and removes what nobody needs", async () => {
    const { id: account } = await makeAccount(database.app);
    const { id } = await makeEndpoint(database.app, account);
    await planEvents(database.admin, account, { count: 5 });
    // As if there had been more than one transaction may end.
    await database.admin`
      UPDATE ducat.webhook_endpoints
      SET status = 'deleted', disabled_reason = 'deleted', due_at = NULL WHERE id = ${id}`;
    const open = async () => {
      const rows = await database.admin`
        SELECT FROM ducat.webhook_deliveries WHERE account_id = ${account} AND due_at IS NOT NULL`;
      return rows.length;
    };
    await forgetEndpoints(database.worker, 3);
    expect(await open()).toBe(2);
    await forgetEndpoints(database.worker, 3);
    expect(await open()).toBe(0);
    const age = () => database.admin`
      UPDATE ducat.webhook_endpoints SET served_at = clock_timestamp() - interval '32 days',
        updated_at = clock_timestamp() - interval '2 days' WHERE id = ${id}`;
    await age();
    await forgetEndpoints(database.worker, 1000);
    const left = () => database.admin`SELECT FROM ducat.webhook_endpoints WHERE id = ${id}`;
    expect(await left()).toHaveLength(1);
    await database.admin`DELETE FROM ducat.webhook_deliveries WHERE account_id = ${account}`;
    await forgetEndpoints(database.worker, 1000);
    expect(await left()).toHaveLength(0);
  });

  it("takes away what an account has got while it was erased", async () => {
    const { id: account } = await makeAccount(database.app);
    await eraseAccount(database.app, account, { isConfirmed: true, audit });
    await database.admin`
      INSERT INTO ducat.webhook_endpoints (account_id, kind, url)
      VALUES (${account}, 'origin', 'https://canary.example')`;
    await forgetEndpoints(database.worker, 1000);
    const left = await database.admin`
      SELECT FROM ducat.webhook_endpoints WHERE account_id = ${account}`;
    expect(left).toHaveLength(0);
  });

  it("keeps idle endpoints that people made, and forgets idle hosts", async () => {
    const { id: account } = await makeAccount(database.app);
    const { id } = await makeEndpoint(database.app, account);
    const off = await makeEndpoint(database.app, account);
    await updateEndpoint(database.app, account, { id: off.id, status: "disabled", audit });
    const webhookUrl = "https://one.example/x";
    const made = await makeGeneration(database.app, account, { webhookUrl });
    await cancelGeneration(database.app, account, made.id);
    await planOutbox(database.admin, account);
    await database.admin`DELETE FROM ducat.webhook_deliveries WHERE account_id = ${account}`;
    await database.admin`
      UPDATE ducat.webhook_endpoints SET served_at = clock_timestamp() - interval '32 days',
        updated_at = clock_timestamp() - interval '2 days', due_at = NULL
      WHERE account_id = ${account}`;
    await forgetEndpoints(database.worker, 1000);
    const left = await database.admin`
      SELECT id FROM ducat.webhook_endpoints WHERE account_id = ${account} ORDER BY id`;
    expect(left).toEqual([{ id }, { id: off.id }]);
    await planOutbox(database.admin, account);
    const claimed = await claimOf(database.worker, account);
    expect(claimed.map(({ kind }) => kind)).toContain("origin");
  });
});
