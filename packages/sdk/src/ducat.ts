import { createGenerations, type Generations } from "./generations.ts";
import * as groups from "./groups.ts";
import { type Caller, createCaller } from "./operations.ts";
import { createTransport, type TransportOptions } from "./transport.ts";
import { createUploads, type Uploads } from "./uploads.ts";

export type DucatOptions = TransportOptions;

type Made<F extends (caller: Caller) => unknown> = ReturnType<F>;

/** A client of one deployment; safe to keep for as long as the process or page lives. */
export type Ducat = Caller & {
  accounts: Made<typeof groups.createAccounts>;
  styles: Made<typeof groups.createStyles>;
  uploads: Uploads;
  generations: Generations;
  images: Made<typeof groups.createImages>;
  albums: Made<typeof groups.createAlbums>;
  credits: Made<typeof groups.createCredits>;
  products: Made<typeof groups.createProducts>;
  payments: Made<typeof groups.createPayments>;
  subscription: Made<typeof groups.createSubscription>;
  entitlements: Made<typeof groups.createEntitlements>;
  usage: Made<typeof groups.createUsage>;
  events: Made<typeof groups.createEvents>;
  webhookEndpoints: Made<typeof groups.createWebhookEndpoints>;
  webhookSecret: Made<typeof groups.createWebhookSecret>;
};

/** A client with a server's `key`, or with a `token` that a browser asks its own server for. */
export function createDucat(options: DucatOptions): Ducat {
  const transport = createTransport(options);
  const caller = createCaller(transport);
  return {
    ...caller,
    accounts: groups.createAccounts(caller),
    styles: groups.createStyles(caller),
    uploads: createUploads(caller),
    generations: createGenerations(caller),
    images: groups.createImages(caller),
    albums: groups.createAlbums(caller),
    credits: groups.createCredits(caller),
    products: groups.createProducts(caller),
    payments: groups.createPayments(caller),
    subscription: groups.createSubscription(caller),
    entitlements: groups.createEntitlements(caller),
    usage: groups.createUsage(caller),
    events: groups.createEvents(caller),
    webhookEndpoints: groups.createWebhookEndpoints(caller),
    webhookSecret: groups.createWebhookSecret(caller),
  };
}
