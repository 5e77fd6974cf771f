import type { SandboxKeeper } from "./sandbox-keeper.ts";
import { advancePayment, finish } from "./sandbox-payments.ts";
import type { SandboxDocument, SandboxEvent } from "./sandbox-store.ts";
import { advanceSubscription, findNext } from "./sandbox-subscriptions.ts";
import { deliver } from "./sandbox-webhooks.ts";

const dueAtOnce = 100;
const deliveryTimeoutMs = 5_000;
/** Of a document that lives long, the oldest webhooks that are done with are forgotten. */
const mostEvents = 100;

/** A document brought to the present: what was due by itself has happened. */
export async function refresh(keeper: SandboxKeeper, id: string): Promise<SandboxDocument> {
  const document = await keeper.read(id);
  const at = await keeper.timeOf(document);
  if (document.kind === "payment") {
    const isDue = [document.settlesAt, document.expiresAt].some((time) => (time ?? at + 1) <= at);
    if (!isDue) return finish(keeper, document);
    return finish(
      keeper,
      await keeper.change("payment", id, (payment) => advancePayment(payment, at)),
    );
  }
  if (document.kind !== "subscription" || findNext(document) > at) return document;
  const method = await keeper.find("method", document.methodRef);
  const card = method?.isRemoved ? undefined : method?.card;
  return keeper.change("subscription", id, (subscription) => {
    advanceSubscription(subscription, card, at);
  });
}

/** Does what is due and sends the webhooks that wait; how many documents it looked at. */
export async function runDue(keeper: SandboxKeeper): Promise<number> {
  const ids = await keeper.listDue(keeper.now(), dueAtOnce);
  for (const id of ids) await send(keeper, await refresh(keeper, id));
  return ids.length;
}

async function send(keeper: SandboxKeeper, { kind, id, events }: SandboxDocument): Promise<void> {
  const at = keeper.now();
  const waiting = events.filter(({ nextAttemptAt }) => (nextAttemptAt ?? at + 1) <= at);
  const { webhookUrl, webhookSecret, fetch = globalThis.fetch } = keeper.settings;
  const to = {
    url: webhookUrl,
    secret: webhookSecret,
    fetch,
    timeoutMs: deliveryTimeoutMs,
    now: at,
  };
  const sent = new Map<string, SandboxEvent>();
  for (const event of waiting) sent.set(event.id, await deliver(event, to));
  if (sent.size === 0) return;
  await keeper.change(kind, id, (document) => {
    const events = document.events.map((event) => sent.get(event.id) ?? event);
    const old = events.slice(0, -mostEvents).filter(({ body }) => body !== undefined);
    document.events = [...old, ...events.slice(-mostEvents)];
  });
}
