import type { Delivery, PaymentProvider, ProviderName } from "@ducat/billing/provider";
import { reportAnomaly } from "@ducat/db/payment-anomalies";
import {
  type ClaimedWebhook,
  claimWebhookEvent,
  finishWebhookEvent,
  type WebhookEnd,
  type WebhookStatus,
} from "@ducat/db/webhook-events";
import { type AppliedFact, applyFacts } from "./apply-facts.ts";
import { describeError } from "./describe-error.ts";
import { isFinal } from "./is-final.ts";
import { nameSubject } from "./name-fact.ts";
import type { PaymentDeps } from "./providers.ts";
import { judgeFailure, judgeUnknown, mostClaims } from "./retry-webhook.ts";

export type WebhookDeps = Pick<PaymentDeps, "db" | "providers" | "mode" | "log">;

/** Longer than the slowest event takes: a few calls of a provider with its time-outs. */
const defaultLeaseSeconds = 180;

/** The providers whose stored webhooks can be processed here; those of others wait. */
export function findReach({ providers, mode }: Pick<PaymentDeps, "providers" | "mode">) {
  const able = [...providers.values()].filter((provider) => provider.parseStoredWebhook);
  return { providers: able.map(({ name }) => name), mode };
}

/**
 * Processes one stored webhook: its facts go into the books. What ends in the middle is begun
 * again when the claim's lease is over, and does nothing twice. Returns what became of the event;
 * undefined when there was nothing to do, or another worker took it over. Rejects when the
 * database is away.
 */
export async function processWebhook(
  deps: WebhookDeps,
  eventId: string,
  leaseSeconds = defaultLeaseSeconds,
): Promise<WebhookStatus | undefined> {
  const reach = findReach(deps);
  const event = await claimWebhookEvent(deps.db, eventId, { ...reach, leaseSeconds });
  if (!event) return undefined;
  const end = await decideEnd(deps, event);
  const isOurs = await finishWebhookEvent(deps.db, event, end);
  if (!isOurs) return undefined;
  const line = { event: event.id, provider: event.provider, type: event.event_type, ...end };
  if (end.status === "dead") deps.log.error(line, "a webhook event is dead");
  else deps.log.info(line, "a webhook event was looked at");
  return end.status;
}

async function decideEnd(deps: WebhookDeps, event: ClaimedWebhook): Promise<WebhookEnd> {
  if (event.tries > mostClaims) return { status: "dead", error: "Its workers died too often." };
  try {
    return await work(deps, event);
  } catch (error) {
    if (!isFinal(error)) {
      const { id, provider, tries } = event;
      const detail = { event: id, provider, tries, error: describeError(error) };
      deps.log.warn({ ...detail, frames: framesOf(error) }, "a webhook event could not be applied");
    }
    return judgeFailure(error, event.tries);
  }
}

async function work(deps: WebhookDeps, event: ClaimedWebhook): Promise<WebhookEnd> {
  const provider = deps.providers.get(event.provider as ProviderName);
  if (!provider?.parseStoredWebhook || !event.body) throw new Error("the claim was not ours");
  const delivery = await provider.parseStoredWebhook(event.body);
  if (delivery.facts.length === 0) return { status: "ignored" };
  const applied = await applyFacts(deps, provider, delivery.facts);
  const unplaced = applied.filter(isUnplaced);
  const about = unplaced.map(({ fact }) => nameSubject(fact)).find((name) => name !== undefined);
  if (about === undefined) return { status: "processed" };
  const { tries, unknown_seconds: unknownSeconds } = event;
  const end = judgeUnknown(about, { tries, unknownSeconds: unknownSeconds ?? 0 });
  if (end.status === "ignored") await report(deps, { provider, event, delivery, about });
  return end;
}

/** Cards and customers that aren't ours are no order that we could have lost. */
function isUnplaced({ fact, outcome }: AppliedFact): boolean {
  return outcome === "unknown" && nameSubject(fact) !== undefined;
}

type Unplaced = {
  provider: PaymentProvider;
  event: ClaimedWebhook;
  delivery: Delivery;
  about: string;
};

async function report({ db }: WebhookDeps, { provider, event, delivery, about }: Unplaced) {
  const { name, mode } = provider;
  const data = { event_id: event.id, type: delivery.type, delivery_id: delivery.deliveryId };
  await reportAnomaly(db, { provider: name, mode, kind: "unknown_order", about, data });
}

/** Where an error of ours came from; no message, which may repeat what a customer wrote. */
function framesOf(error: unknown): string[] {
  if (!(error instanceof Error) || !error.stack) return [];
  const frames = error.stack.replace(error.message, "").split("\n");
  return frames.filter((line) => /^\s+at /.test(line)).slice(0, 6);
}
