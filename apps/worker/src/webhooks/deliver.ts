import type { Db } from "@ducat/db/connect";
import { type Claimed, releaseDelivery, settleDelivery } from "@ducat/db/webhook-deliveries";
import { deploymentId, ensureWebhookSecret } from "@ducat/db/webhook-endpoints";
import type { WebhookSecrets } from "@ducat/messages/webhook-secrets";
import type { Log } from "../log.ts";
import { safeError } from "../safe-error.ts";
import { isDatabaseAway, waitForDatabase } from "../wait-for-database.ts";
import type { DeliveryMeter } from "./meter.ts";
import type { SendWebhook, WebhookResult } from "./send-webhook.ts";

export type DeliverDeps = {
  db: Db;
  log: Log;
  meter: DeliveryMeter;
  send: SendWebhook;
  secrets: WebhookSecrets;
  /** How long the record of an attempt waits for a database that is away. */
  databaseWaitMs: number;
};

/**
 * Makes one attempt at a claimed delivery and writes down how it ended; gives it back when `signal`
 * aborts meanwhile. Never rejects: what can't be written down comes back by its lease. So a
 * receiver may get an event twice, under one id.
 */
export async function deliver(
  deps: DeliverDeps,
  claimed: Claimed,
  signal: AbortSignal,
): Promise<void> {
  const { db, log, meter, databaseWaitMs } = deps;
  const { id, accountId, token, event } = claimed;
  const startedAt = performance.now();
  try {
    const result = await attempt(deps, claimed, signal);
    if (!result) {
      await releaseDelivery(db, claimed);
      return meter.delivered({ outcome: "given_back", ms: performance.now() - startedAt });
    }
    const settle = () => settleDelivery(db, { accountId, id, token, result });
    const outcome = (await waitForDatabase(databaseWaitMs, settle)) ?? "lost";
    const isOurs = result.error === "unsigned";
    meter.delivered({ outcome: isOurs ? "broken" : outcome, ms: result.ms });
    if (outcome === "delivered" && claimed.attempt === 1) {
      meter.arrived(Math.max(Date.now() - Date.parse(event.created_at), 0));
    }
    if (!result.ok) tell(log, claimed, { ...result, outcome });
  } catch (error) {
    meter.delivered({ outcome: "broken", ms: performance.now() - startedAt });
    log.error({ delivery: id, err: safeError(error) }, "a delivery's attempt was not recorded");
  }
}

/** Undefined when it was stopped: then nobody knows how it ended. */
async function attempt(
  deps: DeliverDeps,
  claimed: Claimed,
  signal: AbortSignal,
): Promise<(Omit<WebhookResult, "error"> & { error?: string }) | undefined> {
  const { url, event } = claimed;
  try {
    const secrets = await readSecrets(deps, claimed);
    return await deps.send({ url, id: event.id, body: writeBody(event), secrets }, { signal });
  } catch (error) {
    if (signal.aborted) return undefined;
    if (isDatabaseAway(error)) throw error;
    deps.log.error(
      { delivery: claimed.id, err: safeError(error) },
      "a delivery could not be signed",
    );
    return { ok: false, ms: 0, error: "unsigned" };
  }
}

/** An account that nobody asked for its secret has none before its first delivery. */
async function readSecrets(
  { db, secrets, databaseWaitMs }: DeliverDeps,
  { kind, accountId, sealedSecrets }: Claimed,
): Promise<string[]> {
  const isFirst = kind === "origin" && sealedSecrets.length === 0;
  const ensure = () => ensureWebhookSecret(db, accountId, secrets.make().sealed);
  const sealed = isFirst ? await waitForDatabase(databaseWaitMs, ensure) : sealedSecrets;
  // A former one whose key is gone is no reason not to sign with the others.
  const usable = sealed.filter((one) => secrets.canOpen(one));
  return (usable.length > 0 ? usable : sealed).map((one) => secrets.open(one));
}

/** The same bytes at each attempt: the database keeps the data's order. */
function writeBody({ id, type, created_at, account_id, data }: Claimed["event"]): string {
  return JSON.stringify({ id, type, created_at, account_id, data });
}

/** Addresses may hold what only their owner should see, and stay out of the log. */
function tell(log: Log, claimed: Claimed, result: Record<string, unknown>): void {
  const { id: delivery, endpointId: endpoint, attempt: number, kind, accountId } = claimed;
  const line = { delivery, endpoint, kind, attempt: number, ...result };
  log.info(line, "a delivery did not arrive");
  // Accounts are told by mail; of the deployment's own endpoints only the operator can hear here.
  if (result.outcome === "disabled" && accountId === deploymentId) {
    log.error({ endpoint }, "an endpoint of the deployment was given up");
  }
}
