import type { StreamOptions } from "./follow-stream.ts";
import type { Caller, Input, OperationName } from "./operations.ts";
import { streamAccount } from "./streams.ts";
import type { RequestOptions } from "./transport.ts";
import type * as Types from "./types.ts";

type Query<K extends OperationName> = Input<K> extends { query?: infer Q } ? Q : never;
type Options = RequestOptions;

/** Who the product's customers are; for servers. */
export const createAccounts = ({ request }: Caller) => ({
  /** The account with this external id, made if it isn't there. */
  create: (body: Types.CreateAccount, options?: Options) =>
    request("POST /v1/accounts", { ...options, body }),
  /** A token of 15 minutes for the account's browser. */
  createToken: (id: string, body: Types.CreateToken = {}, options?: Options) =>
    request("POST /v1/accounts/{id}/tokens", { ...options, path: { id }, body }),
});

export const createCredits = ({ request, list }: Caller) => ({
  balance: (options?: Options) => request("GET /v1/credits/balance", options),
  /** Newest first. */
  transactions: (query?: Query<"GET /v1/credits/transactions">, options?: Options) =>
    list("GET /v1/credits/transactions", { ...options, query }),
  /** Errors: insufficient_credits, account_frozen. */
  consume: (body: Types.ConsumeCredits, options?: Options) =>
    request("POST /v1/credits/consume", { ...options, body }),
  /** Sets credits aside until they are captured or released. Errors: insufficient_credits. */
  hold: (body: Types.CreateHold, options?: Options) =>
    request("POST /v1/credits/holds", { ...options, body }),
  /** Errors: invalid_state when it was released or has expired. */
  capture: (id: string, body: Types.CaptureHold, options?: Options) =>
    request("POST /v1/credits/holds/{id}/capture", { ...options, path: { id }, body }),
  release: (id: string, options?: Options) =>
    request("POST /v1/credits/holds/{id}/release", { ...options, path: { id } }),
  redeem: (body: Types.RedeemCode, options?: Options) =>
    request("POST /v1/credits/redeem", { ...options, body }),
  autoReload: (options?: Options) => request("GET /v1/credits/auto-reload", options),
  setAutoReload: (body: Types.SetAutoReload, options?: Options) =>
    request("PUT /v1/credits/auto-reload", { ...options, body }),
});

export const createImages = ({ request, list }: Caller) => ({
  create: (body: Types.CreateImage, options?: Options) =>
    request("POST /v1/images", { ...options, body }),
  list: (query?: Query<"GET /v1/images">, options?: Options) =>
    list("GET /v1/images", { ...options, query }),
  get: (id: string, options?: Options) =>
    request("GET /v1/images/{id}", { ...options, path: { id } }),
  update: (id: string, body: Types.UpdateImage, options?: Options) =>
    request("PATCH /v1/images/{id}", { ...options, path: { id }, body }),
  delete: (id: string, options?: Options) =>
    request("DELETE /v1/images/{id}", { ...options, path: { id } }),
});

export const createAlbums = ({ request, list }: Caller) => ({
  create: (body: Types.CreateAlbum, options?: Options) =>
    request("POST /v1/albums", { ...options, body }),
  list: (query?: Query<"GET /v1/albums">, options?: Options) =>
    list("GET /v1/albums", { ...options, query }),
  get: (id: string, options?: Options) =>
    request("GET /v1/albums/{id}", { ...options, path: { id } }),
  update: (id: string, body: Types.UpdateAlbum, options?: Options) =>
    request("PATCH /v1/albums/{id}", { ...options, path: { id }, body }),
  delete: (id: string, options?: Options) =>
    request("DELETE /v1/albums/{id}", { ...options, path: { id } }),
});

export const createStyles = ({ request }: Caller) => ({
  list: (options?: Options) => request("GET /v1/styles", options),
  get: (id: string, options?: Options) =>
    request("GET /v1/styles/{id}", { ...options, path: { id } }),
});

export const createProducts = ({ request }: Caller) => ({
  list: (query?: Query<"GET /v1/products">, options?: Options) =>
    request("GET /v1/products", { ...options, query }),
});

export const createPayments = ({ request, list }: Caller) => ({
  /** A page where the customer pays: send them to its `url`. */
  checkout: (body: Types.CreateCheckout, options?: Options) =>
    request("POST /v1/checkout", { ...options, body }),
  /** A page where the customer manages cards and invoices. */
  portal: (body: Types.OpenPortal, options?: Options) =>
    request("POST /v1/portal", { ...options, body }),
  /** Newest first. */
  list: (query?: Query<"GET /v1/payments">, options?: Options) =>
    list("GET /v1/payments", { ...options, query }),
  get: (id: string, options?: Options) =>
    request("GET /v1/payments/{id}", { ...options, path: { id } }),
});

export const createSubscription = ({ request }: Caller) => ({
  get: (options?: Options) => request("GET /v1/subscription", options),
  cancel: (body: Types.CancelSubscription = {}, options?: Options) =>
    request("POST /v1/subscription/cancel", { ...options, body }),
  resume: (options?: Options) => request("POST /v1/subscription/resume", options),
  change: (body: Types.ChangePlan, options?: Options) =>
    request("POST /v1/subscription/change", { ...options, body }),
});

export const createEntitlements = ({ request }: Caller) => ({
  get: (options?: Options) => request("GET /v1/entitlements", options),
  check: (body: Types.CheckFeature, options?: Options) =>
    request("POST /v1/entitlements/check", { ...options, body }),
});

export const createUsage = ({ request, list }: Caller) => ({
  /** Counted once for each `event_id`. Errors: quota_exceeded. */
  track: (body: Types.TrackUsage, options?: Options) =>
    request("POST /v1/usage", { ...options, body }),
  /** Gives back what was tracked with this event id. */
  release: (eventId: string, options?: Options) =>
    request("DELETE /v1/usage/{event_id}", { ...options, path: { event_id: eventId } }),
  list: (query?: Query<"GET /v1/usage">, options?: Options) =>
    list("GET /v1/usage", { ...options, query }),
  summary: (query?: Query<"GET /v1/usage/summary">, options?: Options) =>
    request("GET /v1/usage/summary", { ...options, query }),
});

export const createEvents = (caller: Caller) => ({
  /** What happened, oldest first: all that is kept, or what came `after` an event. */
  list: (query?: Query<"GET /v1/events">, options?: Options) =>
    caller.list("GET /v1/events", { ...options, query }),
  /**
   * What happens from now on, beginning with the balance, over as many connections as that takes;
   * leave the loop to hang up.
   */
  stream: (options: StreamOptions = {}) => streamAccount(caller, options),
  /** Lets an EventSource open one stream within a minute. */
  ticket: (body: Types.CreateStreamTicket = {}, options?: Options) =>
    caller.request("POST /v1/events/tickets", { ...options, body }),
});

export const createWebhookEndpoints = ({ request, list }: Caller) => ({
  /** Keep its `secret`: it verifies what is sent. */
  create: (body: Types.CreateWebhookEndpoint, options?: Options) =>
    request("POST /v1/webhook-endpoints", { ...options, body }),
  list: (options?: Options) => request("GET /v1/webhook-endpoints", options),
  get: (id: string, options?: Options) =>
    request("GET /v1/webhook-endpoints/{id}", { ...options, path: { id } }),
  update: (id: string, body: Types.UpdateWebhookEndpoint, options?: Options) =>
    request("PATCH /v1/webhook-endpoints/{id}", { ...options, path: { id }, body }),
  delete: (id: string, options?: Options) =>
    request("DELETE /v1/webhook-endpoints/{id}", { ...options, path: { id } }),
  secret: (id: string, options?: Options) =>
    request("GET /v1/webhook-endpoints/{id}/secret", { ...options, path: { id } }),
  /** A new secret; the former one signs beside it for a day, or as long as is said. */
  rotate: (id: string, body: Types.RotateWebhookSecret = {}, options?: Options) =>
    request("POST /v1/webhook-endpoints/{id}/rotate", { ...options, path: { id }, body }),
  /** Sends it an event that says nothing. */
  test: (id: string, options?: Options) =>
    request("POST /v1/webhook-endpoints/{id}/test", { ...options, path: { id } }),
  /** Sends again what failed, or what is asked for. */
  replay: (id: string, body: Types.ReplayDeliveries = {}, options?: Options) =>
    request("POST /v1/webhook-endpoints/{id}/replay", { ...options, path: { id }, body }),
  /** Newest first. */
  deliveries: (
    id: string,
    query?: Query<"GET /v1/webhook-endpoints/{id}/deliveries">,
    options?: Options,
  ) => list("GET /v1/webhook-endpoints/{id}/deliveries", { ...options, path: { id }, query }),
});

/** What signs the events that go to a generation's `webhook_url`. */
export const createWebhookSecret = ({ request }: Caller) => ({
  get: (options?: Options) => request("GET /v1/webhook-secret", options),
  rotate: (body: Types.RotateWebhookSecret = {}, options?: Options) =>
    request("POST /v1/webhook-secret/rotate", { ...options, body }),
});
