import { randomUUID } from "node:crypto";
import { runDue } from "@ducat/billing/sandbox-due";
import { processWebhook } from "@ducat/payments/process-webhook";
import type { Answer, Call, Stage } from "./stage.ts";

/** Where the products' own pages are, in tests. */
export const shop = "http://localhost:3000/billing";

/** A checkout of a price, as a product's server asks for it. */
export function askCheckout(
  stage: Stage,
  account: string,
  order: object,
  how: Call = {},
): Promise<Answer> {
  const body = { return_url: shop, ...order };
  return stage.call("/v1/checkout", { account, key: randomUUID(), body, ...how });
}

export type Page = { status: number; to: string | null; text: string; headers: Headers };

/** What a browser does with an address of ours: no key, no redirect followed. */
export async function open(
  stage: Stage,
  url: string,
  form?: Record<string, string>,
): Promise<Page> {
  const path = url.replace(stage.deps.publicUrl, "");
  const init = form && { method: "POST", body: new URLSearchParams(form) };
  const response = await stage.app.request(path, init);
  const { status, headers } = response;
  return { status, headers, to: headers.get("location"), text: await response.text() };
}

/** The customer pays on the sandbox's page; where they are sent then. */
export const pay = (stage: Stage, url: string, form: Record<string, string> = {}) =>
  open(stage, url, { outcome: "success", ...form });

/** The worker's part: the sandbox sends what waits, and what came is processed. */
export async function hear(stage: Stage): Promise<void> {
  const { payments } = stage.deps;
  if (!payments.sandbox) throw new Error("there is no sandbox");
  while ((await runDue(payments.sandbox)) > 0);
  const deps = { ...payments, db: stage.db.worker };
  const rows = await stage.db.admin<{ id: string }[]>`
    SELECT id FROM ducat.webhook_events WHERE status = 'received' ORDER BY id`;
  for (const { id } of rows) await processWebhook(deps, id);
}

export async function balanceOf(stage: Stage, account: string): Promise<number> {
  const { body } = await stage.call("/v1/credits/balance", { account });
  return body.token_balance;
}

export const countPayments = async (stage: Stage, account: string): Promise<number> =>
  (await stage.call("/v1/payments?count=true", { account })).body.total;
