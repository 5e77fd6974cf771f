import type { PaymentProvider } from "@ducat/billing/provider";
import { order, type Rig } from "../../../packages/billing/test/rig.ts";
import { createApp } from "../src/app.ts";
import type { Deps } from "../src/deps.ts";
import type { Stage } from "./stage.ts";

export type Sent = { raw: Buffer; headers: Record<string, string> };
export type Post = (
  sent: Sent,
  more?: { provider?: string; headers?: [string, string][] },
) => Promise<Response>;

/** The API with a rig's provider in it. */
export function makeApp(stage: Stage, provider: PaymentProvider, deps: Partial<Deps> = {}) {
  const providers = new Map([[provider.name, provider]]);
  const payments = { ...stage.deps.payments, providers, ...(deps.db && { db: deps.db }) };
  return createApp({ ...stage.deps, payments, ...deps });
}

/** Posts to the webhook address of an app, as a provider does. */
export const makePost =
  (app: ReturnType<typeof makeApp>, name: string): Post =>
  async ({ raw, headers }, more = {}) => {
    const all = new Headers(headers);
    for (const [header, value] of more.headers ?? []) all.append(header, value);
    const path = `/webhooks/${more.provider ?? name}`;
    return app.request(path, { method: "POST", body: new Uint8Array(raw), headers: all });
  };

/** What signs a delivery, without the headers of the connection that brought it. */
export const strip = (headers: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && /^(stripe-|x-|webhook-|content-type)/.test(entry[0]),
    ),
  );

/** The webhooks of a pack that was paid, signed by the provider; the last one is the payment's. */
export async function buyPack(rig: Rig): Promise<Sent[]> {
  const { created } = await order(rig);
  await rig.pay(created.ref);
  const deliveries = await rig.takeDeliveries();
  return deliveries.map(({ raw, headers }) => ({ raw, headers: strip(headers) }));
}
