// biome-ignore-all format: generated
// Made from /openapi.json by types.test.ts, which also says how to make it anew.

export type Account = {
  id: string;
  external_id: string | null;
  kind: "user" | "vendor";
  name: string | null;
  email: string | null;
  phone: string | null;
  locale: string;
  is_active: boolean;
  created_at: string;
};

export type AccountDetail = {
  id: string;
  external_id: string | null;
  kind: "user" | "vendor";
  name: string | null;
  email: string | null;
  phone: string | null;
  locale: string;
  is_active: boolean;
  created_at: string;
  bio: string | null;
  last_login_at: string | null;
  erased_at: string | null;
  vendor: Vendor | null;
  balance: Balance;
  /** Why: `admin`, `dispute:<id>`, `erased`. */
  frozen: string[];
  /** The one that runs, else the last. */
  subscription: Subscription | null;
  logins: ({
    id: string;
    email: string | null;
    email_verified: boolean;
    phone: string | null;
    role: "user" | "support" | "admin";
    verified_at: string | null;
    banned_at: string | null;
    created_at: string;
  })[];
};

export type AccountExport = {
  exported_at: string;
  account: Me;
  vendor: Record<string, unknown> | null;
  logins: Record<string, unknown>[];
  /** Issuers whose tokens open the account. */
  identities: Record<string, unknown>[];
  /** The ledger, line by line. */
  entries: Record<string, unknown>[];
  grants: Record<string, unknown>[];
  subscriptions: Record<string, unknown>[];
  /** Amounts in the smallest unit of their currency. */
  payments: Record<string, unknown>[];
  generations: Record<string, unknown>[];
  /** Of the generations; pictures with a URL for an hour. */
  items: Record<string, unknown>[];
  /** What is in the gallery; `file_id` is among the files. */
  images: Record<string, unknown>[];
  albums: Record<string, unknown>[];
  /** What was taken of features: by events, and by items of generations. */
  usage: Record<string, unknown>[];
  /** All files, each with a URL for an hour. */
  files: Record<string, unknown>[];
  /** Which were sent, and when. */
  messages: Record<string, unknown>[];
  /** What it was told of, for 31 days. */
  events: Record<string, unknown>[];
  webhook_endpoints: Record<string, unknown>[];
};

export type AccountToken = {
  token: string;
  account_id: string;
  scopes: string[];
  expires_at: string;
};

export type AddAllowance = {
  feature: string;
  amount: number;
  expires_at?: string | undefined;
  reason: string;
};

export type AddressInput = {
  type: "address";
  address: string;
};

export type AdjustCredits = {
  amount: number;
  reason: string;
};

export type Adjustment = {
  amount: number;
  transaction_id: string;
  available: number;
  held: number;
  debt: number;
};

export type AdminDelivery = {
  id: string;
  endpoint_id: string;
  /** The event's id, sent as `webhook-id` with each try. */
  event_id: string;
  event_type: string;
  /** Whose event it is. */
  account_id: string;
  url: string;
  /** `pending`: waits for its (next) try. `failed`: is not tried any more. */
  status: "pending" | "sending" | "delivered" | "failed";
  /** Tries since it was planned or replayed. */
  attempts: number;
  next_try_at: string | null;
  /** The last twenty, the oldest first. */
  tries: ({
    at: string;
    /** The HTTP status; null: none came. */
    status: number | null;
    /** How long it took. */
    ms: number;
    error: string | null;
  })[];
  created_at: string;
  ended_at: string | null;
  /** The account whose endpoint it is; null: the deployment's own. */
  owner_id: string | null;
  /** `origin`: it goes to the webhook_url of a generation. */
  kind: "endpoint" | "origin";
};

export type AdminDeliveryPage = {
  data: AdminDelivery[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type AdminFeature = AdminFeatureFlag | AdminFeatureLimit | AdminFeatureStock;

export type AdminFeatureFlag = {
  kind: "flag";
  /** By language. */
  name: Record<string, string>;
  enabled: boolean;
};

export type AdminFeatureLimit = {
  kind: "limit";
  /** By language. */
  name: Record<string, string>;
  limit: number | null;
  period: "hour" | "day" | "month" | "request";
  reset: "calendar" | "anchor";
  /** Generations with these take of it; * is any. */
  styles?: string[] | undefined;
  /** Of a request: so many areas of it; left out: items. */
  of?: "areas" | undefined;
  /** Generations with these take of it and cost nothing; * is any. */
  free_styles?: string[] | undefined;
  /** What they do when it is used up; left out: pay. */
  beyond?: "pay" | "refuse" | undefined;
};

export type AdminFeatureStock = {
  kind: "stock";
  /** By language. */
  name: Record<string, string>;
  counts: "held" | "spent";
  limit?: number | null | undefined;
};

export type AdminGeneration = {
  id: string;
  account_id: string;
  style: {
    id: string;
    version: number;
  };
  kind: "image" | "text";
  status: "pending" | "processing" | "completed" | "failed" | "canceled";
  items: number;
  failed_items: number;
  canceled_items: number;
  /** Why items failed, each reason once; ten at most. */
  error_codes: string[];
  cost: number;
  /** What of its cost has been spent. */
  captured: number;
  refunded: number;
  subject: string | null;
  reference: string | null;
  retry_of: string | null;
  created_at: string;
  deadline_at: string;
  completed_at: string | null;
  deleted_at: string | null;
};

export type AdminGenerationPage = {
  data: AdminGeneration[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type AdminPayment = {
  id: string;
  account_id: string;
  /** `created` waits for the customer, `pending` for the bank. A payment that has `failed` or `expired` may still succeed. `quarantined`: what was charged is not what was asked for, and a person looks at it. */
  status: "created" | "pending" | "succeeded" | "partially_reversed" | "reversed" | "disputed" | "failed" | "expired" | "quarantined";
  purpose: "pack" | "pass" | "subscription" | "renewal" | "reload" | "invoice";
  provider: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox";
  mode: "test" | "live";
  /** Its key. */
  product: string | null;
  price_id: string | null;
  subscription_id: string | null;
  subject: string | null;
  /** What the provider hears of it. */
  reference: string;
  /** The provider's name of the payment. */
  provider_ref: string | null;
  invoice_ref: string | null;
  customer_ref: string | null;
  receipt_ref: string | null;
  card: string | null;
  price: Money;
  charged: Money | null;
  refunded: Money;
  /** Disputes that were lost. */
  disputed: {
    amount: number;
    currency: string;
  };
  reversed: Money;
  credits: number;
  credits_granted: number;
  credits_clawed: number;
  failure_code: string | null;
  metadata: Record<string, unknown>;
  /** Those that were asked for here; 20 at most, newest first. */
  refunds: ({
    id: string;
    /** `pending`: the provider's answer is not known, and it is asked again. */
    status: "pending" | "succeeded" | "failed";
    amount: Money;
    reason: string | null;
    /** Why it failed or is pending. */
    error: string | null;
    created_at: string;
    actor: string;
  })[];
  paid_at: string | null;
  expires_at: string | null;
  created_at: string;
};

export type AdminPaymentPage = {
  data: AdminPayment[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type AdminProduct = {
  id: string;
  key: string;
  kind: "plan" | "pack" | "pass";
  /** Who may buy it; null: everybody. */
  audience: "user" | "vendor" | null;
  /** A plan gives them each month, a pack or pass once. */
  credits: number;
  bonus: number;
  trial_days: number;
  trial_credits: number;
  rollover: "none" | "capped" | "full";
  rollover_cap: number | null;
  grace_days: number;
  /** Of a pass; of a pack's credits. */
  valid_days: number | null;
  needs_subject: boolean;
  allowances: Record<string, number>;
  /** Requests by unit of time. */
  rate_limits: Record<string, number>;
  /** Of a plan: running, open_items, daily_credits, retention_days; left out: no end. */
  limits: Record<string, number>;
  /** The plan of those who pay for none. */
  is_default: boolean;
  /** By language. */
  name: Record<string, string>;
  /** By language. */
  description: Record<string, string>;
  features: Record<string, AdminFeature>;
  is_active: boolean;
  prices: ({
    id: string;
    provider: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox" | null;
    provider_ref: string | null;
    interval: "once" | "month" | "year";
    price: {
      /** In the smallest unit that the currency is counted in. */
      amount: number;
      currency: string;
    };
    is_active: boolean;
    created_at: string;
  })[];
  created_at: string;
  updated_at: string;
};

export type AdminProductList = {
  /** The catalog that was pushed last. */
  catalog: string | null;
  data: AdminProduct[];
};

export type AdminUsage = {
  from: string;
  to: string;
  group_by: ("day" | "style" | "model" | "feature" | "language" | "category" | "account")[];
  data: AdminUsageLine[];
  total: AdminUsageTotal;
  /** There are more lines than 5,000. */
  is_truncated: boolean;
  /** How fresh it is: some minutes old. */
  computed_at: string | null;
  /** Days that are still to be summed up. */
  pending_days: number;
};

export type AdminUsageLine = {
  account_id?: string | undefined;
  day?: string | undefined;
  style?: string | undefined;
  /** The style's generator, and its model where it names one. */
  model?: string | undefined;
  feature?: string | undefined;
  /** `params.language`; empty where the request had none. */
  language?: string | undefined;
  /** `params.category`, likewise. */
  category?: string | undefined;
  /** By the day on which they ended. */
  items: {
    completed: number;
    failed: number;
    canceled: number;
    in_batches: number;
  };
  /** failed / (completed + failed). */
  failure_rate: number | null;
  /** Of a feature: how much was used. 0 without `feature`. */
  amount: number;
  /** What items took and gave back by now. */
  credits: {
    charged: number;
    paid_back: number;
    /** Spent without a generation; by day only. */
    consumed: number;
  };
  tokens: {
    input: number;
    output: number;
  };
  /** Of completed items. Percentiles are told from classes of times. */
  response_ms: {
    average: number | null;
    p50: number | null;
    p95: number | null;
    max: number | null;
  };
  /** What the credits had cost; null with feature, language or category. */
  revenue: Money[] | null;
  /** What items cost of which it is known, in US dollars. */
  provider_cost: {
    items: number;
    /** In millionths of a dollar. */
    amount_micros: number;
  };
  /** Revenue less cost; null where revenue is in other currencies too. */
  margin_micros: number | null;
};

export type AdminUsageTotal = {
  /** By the day on which they ended. */
  items: {
    completed: number;
    failed: number;
    canceled: number;
    in_batches: number;
  };
  /** failed / (completed + failed). */
  failure_rate: number | null;
  /** Of a feature: how much was used. 0 without `feature`. */
  amount: number;
  /** What items took and gave back by now. */
  credits: {
    charged: number;
    paid_back: number;
    /** Spent without a generation; by day only. */
    consumed: number;
  };
  tokens: {
    input: number;
    output: number;
  };
  /** Of completed items. Percentiles are told from classes of times. */
  response_ms: {
    average: number | null;
    p50: number | null;
    p95: number | null;
    max: number | null;
  };
  /** What the credits had cost; null with feature, language or category. */
  revenue: Money[] | null;
  /** What items cost of which it is known, in US dollars. */
  provider_cost: {
    items: number;
    /** In millionths of a dollar. */
    amount_micros: number;
  };
  /** Revenue less cost; null where revenue is in other currencies too. */
  margin_micros: number | null;
};

export type AdvanceClock = {
  /** The account's id or external id. */
  account: string;
  /** How far ahead; ten years at most. 0 does what is due now. */
  seconds: number;
};

export type AdvancedClock = {
  account_id: string;
  /** The account's time. */
  now: string;
  /** What fell due on the way, in order. */
  ran: ({
    /** When it fell due, by the account's time. */
    at: string;
    what: "alert.expiring" | "allowance.expiry" | "default_plan.month" | "grant.expiry" | "hold.expiry" | "override.end" | "pass.end" | "pass.reminder" | "plan.month" | "subscription.grace_end" | "subscription.period_end" | "subscription.provider" | "subscription.renewal" | "trial.end";
    id: string | null;
    [name: string]: unknown;
  })[];
  [name: string]: unknown;
};

export type Album = {
  id: string;
  name: string;
  description: string | null;
  is_public: boolean;
  image_count: number;
  created_at: string;
  updated_at: string;
};

export type AlbumPage = {
  data: Album[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type Alerts = {
  /** Told when fewer credits than this are left; null: never. */
  low_balance: number | null;
  /** Told when a quota is at 80 and at 100 %. */
  quota: boolean;
  /** Told three days before credits expire. */
  expiring: boolean;
  /** Whether the account hears of it by mail or text message, beside the event. */
  messages: boolean;
};

export type Allowance = {
  id: string;
  feature: string;
  amount: number;
  expires_at: string | null;
  /** Of the whole stock. */
  remaining: number;
};

export type Anomaly = {
  id: string;
  provider: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox";
  mode: "test" | "live";
  /** `amount_mismatch`, `paid_twice`, `unknown_order` …: see docs/payments.md. */
  kind: string;
  /** What it is about, as the provider names it. */
  about: string;
  payment_id: string | null;
  /** What was told of it. */
  data: Record<string, unknown>;
  resolved_at: string | null;
  resolved_by: string | null;
  created_at: string;
};

export type AnomalyPage = {
  data: Anomaly[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type AnswerChallenge = {
  challenge: string;
  code: string;
};

export type ApiKey = {
  id: string;
  /** null: the product's own, for any account. */
  account_id: string | null;
  name: string;
  scopes: string[];
  replaces: string | null;
  created_by: string;
  /** Requests; null: any number. */
  limit_per_minute: number | null;
  expires_at: string | null;
  /** To the minute. */
  last_used_at: string | null;
  revoked_at: string | null;
  created_at: string;
};

export type ApiKeys = {
  data: ApiKey[];
};

export type Area = string | ({
  label?: string | undefined;
});

export type AssignPlan = {
  /** The default plan takes an assigned one away. */
  plan: string;
  /** Left out: until it is changed. */
  until?: string | undefined;
};

export type AuditLog = {
  id: string;
  /** Whose account it was done to. */
  account_id: string | null;
  /** `root`, `key:<id>`, `login:<id>`, `system` … */
  actor: string;
  /** What was done, for example `credits.adjust`. */
  action: string;
  /** The kind of thing it was done to. */
  resource: string | null;
  resource_id: string | null;
  /** Of a change `before` and `after`. */
  metadata: Record<string, unknown>;
  request_id: string | null;
  ip: string | null;
  created_at: string;
};

export type AuditLogPage = {
  data: AuditLog[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type AutoReload = {
  enabled: boolean;
  /** Below as many paid credits, unbound ones, it buys. */
  threshold: number | null;
  price_id: string | null;
  product: {
    key: string;
    name: Record<string, string>;
  } | null;
  provider: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox" | null;
  price: Money | null;
  /** What one reload buys. */
  credits: number | null;
  /** The most money in a calendar month (UTC), in the price's currency. */
  monthly_cap: number | null;
  /** Money, in the price's currency. */
  spent_this_month: number;
  /** Without one a link to pay is sent. */
  has_card: boolean;
  /** In a row; after three it is switched off. */
  failures: number;
  disabled_reason: string | null;
  last_attempt_at: string | null;
  consented_at: string | null;
};

export type AutoReloadDisabledEvent = {
  id: string;
  type: "auto_reload.disabled";
  created_at: string;
  account_id: string;
  data: {
    reason: string;
  };
};

export type AutoReloadNeedsCustomerEvent = {
  id: string;
  type: "auto_reload.needs_customer";
  created_at: string;
  account_id: string;
  data: {
    payment_id: string;
    reference: string;
    code: string;
  };
};

export type AutoReloadSucceededEvent = {
  id: string;
  type: "auto_reload.succeeded";
  created_at: string;
  account_id: string;
  data: {
    payment_id: string;
    amount: number;
    currency: string;
    credits: number | null;
  };
};

export type Balance = {
  /** Unexpired and bound to nothing. */
  available: number;
  /** The free part of `available`. */
  trial_credits: number;
  /** The rest of `available`. */
  token_balance: number;
  bound: ({
    subject: string;
    remaining: number;
    expires_at: string | null;
  })[];
  /** Set aside for what is running. */
  held: number;
  debt: number;
  frozen: boolean;
  /** The subscription's; null without one. */
  period: {
    start: string;
    end: string;
    granted: number;
    used: number;
  } | null;
  next_refill_at: string | null;
  lifetime: {
    granted: number;
    used: number;
    expired: number;
  };
  /** In the order in which they are spent; 200 at most. */
  grants: ({
    id: string;
    source: string;
    amount: number;
    remaining: number;
    subject: string | null;
    expires_at: string | null;
  })[];
};

export type Batch = {
  id: string;
  style: {
    id: string;
    version: number;
  };
  status: "pending" | "processing" | "completed" | "failed" | "canceled";
  rows: number;
  accepted: number;
  rejected: number;
  /** The first 100. */
  errors: RowError[];
  /** Of a file: what each column was taken for; null: for nothing. */
  columns?: Record<string, string | null> | undefined;
  params: Record<string, unknown>;
  subject: string | null;
  reference: string | null;
  cost: number;
  charged: Charged;
  credit_type: "trial" | "token" | "mixed" | "none";
  /** What was available right after it was paid. */
  balance: number;
  /** All of its items, by pages. */
  items_url: string;
  /** All of its results as one file. */
  results_url: string;
  /** The rows that were not accepted. */
  errors_url: string;
  created_at: string;
  deadline_at: string;
  metadata: Record<string, unknown>;
};

export type BatchRow = {
  label?: string | undefined;
  input?: Input | undefined;
  params?: Params | undefined;
};

export type CancelSubscription = {
  /** `now` where the provider can. */
  when?: "period_end" | "now" | undefined;
};

export type CaptureHold = {
  amount: number;
};

export type CatalogChange = {
  action: "add" | "change" | "retire" | "restore";
  what: "product" | "price" | "setting";
  product?: string | undefined;
  setting?: string | undefined;
  price?: Record<string, unknown> | undefined;
  before?: unknown | undefined;
  after?: unknown | undefined;
};

export type CatalogFile = {
  catalog: string;
  note?: string | undefined;
  trial_credits?: number | undefined;
  features?: Record<string, unknown> | undefined;
  products: Record<string, unknown>[];
};

export type CatalogPush = {
  dry_run: boolean;
  catalog: string;
  changes: CatalogChange[];
  /** At the provider that has the prices too; null: none has. */
  prices: PriceChange[] | null;
};

export type CatalogVersion = {
  version: number;
  catalog: string;
  /** `start`: with a start of the deployment; `command`: by `pnpm catalog push`. */
  pushed_by: string;
  pushed_at: string;
  /** The catalog's file. Null: it was pushed before files were kept. */
  document: Record<string, unknown> | null;
  changes: CatalogChange[];
};

export type ChangeEmail = {
  email: string;
  /** Of the login, where the session did not begin within the last ten minutes. */
  password?: string | undefined;
  /** Beside the password, where the login has a second factor. */
  totp_code?: string | undefined;
  locale?: string | undefined;
};

export type ChangePhone = {
  /** A mobile number with its country code. */
  phone: string;
  /** Of the login, where the session did not begin within the last ten minutes. */
  password?: string | undefined;
  /** Beside the password, where the login has a second factor. */
  totp_code?: string | undefined;
  locale?: string | undefined;
};

export type ChangePlan = {
  price_id?: string | undefined;
  /** Its key. Instead of `price_id`. */
  product?: string | undefined;
  interval?: "once" | "month" | "year" | undefined;
  currency?: string | undefined;
};

export type Charged = {
  trial: number;
  token: number;
};

export type CheckFeature = {
  feature: string;
  amount?: number | undefined;
  /** What a pass may be bound to, as a property's address. */
  subject?: string | undefined;
};

export type CheckedFeature = {
  allowed: boolean;
  quota: string;
  /** null: no end. */
  limit: number | null;
  current: number;
  resets_at: string | null;
  /** When it is refused: the product that allows more. */
  upgrade?: string | undefined;
};

export type Checkout = {
  /** Send the customer there. */
  url: string;
  payment_id: string;
  /** Of the page; null where it doesn't say. */
  expires_at: string | null;
};

export type CodeSent = {
  /** Seconds that the code works. */
  expires_in: number;
};

export type ConsumeCredits = {
  amount: number;
  description?: string | undefined;
  /** Credits bound to this subject are spent first. */
  subject?: string | undefined;
};

export type Consumption = {
  amount: number;
  charged: Charged;
  credit_type: "trial" | "token" | "mixed" | "none";
  transaction_id: string;
  available: number;
  held: number;
  debt: number;
};

export type CreateAccount = {
  external_id: string;
  kind?: "user" | "vendor" | undefined;
  name?: string | undefined;
  email?: string | undefined;
  phone?: string | undefined;
  locale?: string | undefined;
};

export type CreateAlbum = {
  /** No two albums of an account have the same. */
  name: string;
  description?: string | null | undefined;
  /** Named in the portfolio of a vendor; its images are shown where they are public. */
  is_public?: boolean | undefined;
};

export type CreateApiKey = {
  /** For people: which server holds it. */
  name: string;
  /** What it may do: at most what you may. */
  scopes: string[];
  /** How many requests it may make; any number if left out. */
  limit_per_minute?: number | undefined;
  expires_at?: string | undefined;
};

export type CreateBatch = {
  style: string;
  input?: Input | undefined;
  params?: Params | undefined;
  /** Credits bound to it are spent first. */
  subject?: string | undefined;
  reference?: string | undefined;
  metadata?: Record<string, unknown> | undefined;
  /** Gets the signed event of its end; a public https address. Not shown again. */
  webhook_url?: string | undefined;
  /** `refuse`: one bad row, and nothing is accepted. */
  on_error?: "skip" | "refuse" | undefined;
  /** Each is checked, priced and paid back on its own. A row's own `input` and each of its `params` go before those of the batch. */
  rows: BatchRow[];
};

export type CreateCheckout = {
  price_id?: string | undefined;
  /** Its key. Instead of `price_id`. */
  product?: string | undefined;
  interval?: "once" | "month" | "year" | undefined;
  currency?: string | undefined;
  /** Unnamed, one that fits is chosen. */
  provider?: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox" | undefined;
  /** What it is bought for, where it is bound. */
  subject?: string | undefined;
  return_url: string;
  /** Keep the card for auto-reload; the customer has agreed to that. */
  save_card?: boolean | undefined;
  metadata?: Record<string, unknown> | undefined;
};

export type CreateGeneration = {
  style: string;
  input: Input;
  /** One item each; without it there is one item. */
  areas?: Area[] | undefined;
  /** So many items for each area, each priced on its own; default 1. */
  n?: number | undefined;
  params?: Params | undefined;
  /** Credits bound to it are spent first. */
  subject?: string | undefined;
  reference?: string | undefined;
  metadata?: Record<string, unknown> | undefined;
  /** Gets the signed event of its end; a public https address. Not shown again. */
  webhook_url?: string | undefined;
};

export type CreateHold = {
  amount: number;
  /** Seconds. */
  expires_in?: number | undefined;
  description?: string | undefined;
  /** Credits bound to this subject are spent first. */
  subject?: string | undefined;
};

export type CreateImage = {
  /** An upload of the account; it then stays. */
  upload_id?: string | undefined;
  /** A completed item that is a picture; it outlives its generation then. */
  generation_item_id?: string | undefined;
  /** What people call it. No file is named after it. */
  file_name?: string | null | undefined;
  /** Shown in the portfolio of a vendor. */
  is_public?: boolean | undefined;
  tags?: string[] | undefined;
  metadata?: Record<string, unknown> | undefined;
  /** An album of the account. */
  album_id?: string | null | undefined;
};

export type CreatePromoCode = {
  code: string;
  credits: number;
  /** Of the credits. */
  valid_days?: number | undefined;
  subject?: string | undefined;
  audience?: "user" | "vendor" | undefined;
  /** Accounts in all, each once. */
  max_redemptions?: number | undefined;
  starts_at?: string | undefined;
  expires_at?: string | undefined;
};

export type CreateStreamTicket = {
  /** For the stream of this one only; left out: for any stream of the account. */
  generation_id?: string | undefined;
};

export type CreateToken = {
  /** All that an account may have, if left out. */
  scopes?: string[] | undefined;
  /** Seconds. */
  expires_in?: number | undefined;
};

export type CreateWebhookEndpoint = {
  /** A public https address on port 443. Events are sent to it by POST. */
  url: string;
  description?: string | null | undefined;
  /** Which types of events; null: all but `item.*`. */
  events?: (("generation.completed" | "generation.failed" | "generation.canceled" | "item.completed" | "item.failed" | "item.canceled" | "credits.granted" | "credits.low" | "credits.expiring" | "credits.refunded" | "credits.expired" | "quota.warning" | "quota.reached" | "payment.succeeded" | "payment.failed" | "payment.reversed" | "subscription.changed" | "auto_reload.succeeded" | "auto_reload.needs_customer" | "auto_reload.disabled" | "webhook_endpoint.disabled")[]) | null | undefined;
};

export type CreditsExpiredEvent = {
  id: string;
  type: "credits.expired";
  created_at: string;
  account_id: string;
  data: {
    amount: number;
    grant_id: string;
    source: string;
  };
};

export type CreditsExpiringEvent = {
  id: string;
  type: "credits.expiring";
  created_at: string;
  account_id: string;
  data: {
    amount: number;
    expires_at: string;
  };
};

export type CreditsGrantedEvent = {
  id: string;
  type: "credits.granted";
  created_at: string;
  account_id: string;
  data: {
    amount: number;
    source: string;
    grant_id: string;
    transaction_id: string;
  };
};

export type CreditsLowEvent = {
  id: string;
  type: "credits.low";
  created_at: string;
  account_id: string;
  data: {
    available: number;
    threshold: number;
  };
};

export type CreditsRefundedEvent = {
  id: string;
  type: "credits.refunded";
  created_at: string;
  account_id: string;
  data: {
    amount: number;
    generation_id?: string | undefined;
    item_id?: string | undefined;
    hold_id?: string | undefined;
    cause?: string | undefined;
    transaction_id: string;
  };
};

export type Difference = {
  kind: "missing_payment" | "missing_invoice" | "missing_reversal" | "dispute_differs" | "subscription_differs" | "amount_differs" | "unknown_order" | "not_at_provider" | "method_differs";
  provider: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox";
  /** What it is about, as the provider names it. */
  about: string;
  payment_id?: string | undefined;
  /** Otherwise a person has to look at it. */
  repaired: boolean;
  detail: string;
};

export type DiscardEvents = {
  status: "received" | "dead";
  provider?: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox" | undefined;
  type?: string | undefined;
  /** When it came, this moment included. */
  from?: string | undefined;
  /** … excluded. */
  to?: string | undefined;
  /** The oldest are first. */
  limit?: number | undefined;
  dry_run?: boolean | undefined;
};

export type EntitledFeature = EntitledFlag | EntitledLimit | EntitledStock;

export type EntitledFlag = {
  kind: "flag";
  name: Record<string, string>;
  enabled: boolean;
  /** Whose word decides: an `override` is an administrator's. */
  source: "plan" | "pass" | "override";
};

export type EntitledLimit = {
  kind: "limit";
  name: Record<string, string>;
  period: "hour" | "day" | "month" | "request";
  reset: "calendar" | "anchor";
  /** null: no end. */
  limit: number | null;
  used: number;
  remaining: number | null;
  resets_at: string | null;
  /** Generations with these styles take one per item; `*`: any. */
  styles?: string[] | undefined;
  /** … of a request: no more areas in one of them than the limit. */
  of?: "areas" | undefined;
  /** … cost nothing while the limit lasts, and take one per item. */
  free_styles?: string[] | undefined;
  /** What such a generation does when the limit is used up. */
  beyond?: "pay" | "refuse" | undefined;
  /** Whose word decides: an `override` is an administrator's. */
  source: "plan" | "pass" | "override";
};

export type EntitledStock = {
  kind: "stock";
  name: Record<string, string>;
  /** `held` places come free again. */
  counts: "held" | "spent";
  /** Of a stock that is spent: what was given. */
  limit: number | null;
  used: number;
  remaining: number | null;
  resets_at: null;
  /** Whose word decides: an `override` is an administrator's. */
  source: "plan" | "pass" | "override";
};

export type Entitlements = {
  plan: {
    key: string;
    name: Record<string, string>;
  } | null;
  /** How the newest subscription stands. */
  status: "none" | "incomplete" | "trialing" | "active" | "past_due" | "unpaid" | "paused" | "canceled";
  trial: ({
    ends_at: string | null;
  }) | null;
  period: {
    start: string;
    end: string;
  } | null;
  cancel_at: string | null;
  features: Record<string, EntitledFeature>;
  passes: ({
    id: string;
    product: string;
    /** Bound to it: counts for it only. */
    subject: string | null;
    starts_at: string;
    ends_at: string;
  })[];
  rate_limits: ({
    unit: "minute" | "hour" | "day";
    limit: number;
    /** After this request, which counts too; null where an admin asks. */
    remaining: number | null;
    resets_at: string | null;
  })[];
  /** The plan's limits of work: a member that is left out has no end. */
  limits: Record<string, number>;
};

export type EraseMe = {
  /** End what is running first: generations, and the subscription. */
  confirm?: boolean | undefined;
  /** Of the login, where the session is older than ten minutes. */
  password?: string | undefined;
  /** Beside the password, where the login has a second factor. */
  totp_code?: string | undefined;
};

export type Estimate = {
  style: StyleRef;
  items: number;
  cost: number;
  price: Price;
  charged: Charged;
  credit_type: "trial" | "token" | "mixed" | "none";
  /** Spendable for this subject. */
  available: number;
  /** The plan's quota that has no room for it; null: none. */
  quota: ({
    quota: string;
    /** null: no end. */
    limit: number | null;
    current: number;
    resets_at: string | null;
    /** When it is refused: the product that allows more. */
    upgrade?: string | undefined;
  }) | null;
  /** Credits and quotas let it pass now. */
  sufficient: boolean;
};

export type Event = GenerationCompletedEvent | GenerationFailedEvent | GenerationCanceledEvent | ItemCompletedEvent | ItemFailedEvent | ItemCanceledEvent | CreditsGrantedEvent | CreditsLowEvent | CreditsExpiringEvent | CreditsRefundedEvent | CreditsExpiredEvent | QuotaWarningEvent | QuotaReachedEvent | PaymentSucceededEvent | PaymentFailedEvent | PaymentReversedEvent | SubscriptionChangedEvent | AutoReloadSucceededEvent | AutoReloadNeedsCustomerEvent | AutoReloadDisabledEvent | WebhookEndpointDisabledEvent | WebhookTestEvent;

export type EventPage = {
  data: Event[];
  /** `after` of the next page; null: there are no more now. */
  next_cursor: string | null;
};

export type FailedMessage = {
  id: string;
  account_id: string;
  kind: string;
  channel: "email" | "sms";
  status: "pending" | "sent" | "skipped" | "failed";
  attempts: number;
  last_error: string | null;
  /** False: what it said is gone, as of codes and links. Ask for another one. */
  can_retry: boolean;
  created_at: string;
};

export type FailedMessagePage = {
  data: FailedMessage[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type Feature = FeatureFlag | FeatureLimit | FeatureStock;

export type FeatureFlag = {
  kind: "flag";
  name: string;
  enabled: boolean;
};

export type FeatureLimit = {
  kind: "limit";
  name: string;
  limit: number | null;
  period: "hour" | "day" | "month" | "request";
  reset: "calendar" | "anchor";
  /** Generations with these take of it; * is any. */
  styles?: string[] | undefined;
  /** Of a request: so many areas of it; left out: items. */
  of?: "areas" | undefined;
  /** Generations with these take of it and cost nothing; * is any. */
  free_styles?: string[] | undefined;
  /** What they do when it is used up; left out: pay. */
  beyond?: "pay" | "refuse" | undefined;
};

export type FeatureOverride = {
  feature: string;
  value: boolean | number | null;
  expires_at: string | null;
  reason: string | null;
  updated_at: string;
};

export type FeatureStock = {
  kind: "stock";
  name: string;
  counts: "held" | "spent";
  limit?: number | null | undefined;
};

export type FlagParam = {
  type: "boolean";
  description?: string | undefined;
  default?: boolean | undefined;
};

export type Generation = {
  id: string;
  style: StyleRef;
  input: Record<string, unknown>;
  params: Record<string, unknown>;
  subject: string | null;
  reference: string | null;
  retry_of: string | null;
  status: "pending" | "processing" | "completed" | "failed" | "canceled";
  cost: number;
  price: Price;
  charged: Charged;
  credit_type: "trial" | "token" | "mixed" | "none";
  /** What was available right after it was paid. */
  balance: number;
  items: Item[];
  failed_items: number;
  canceled_items: number;
  created_at: string;
  completed_at: string | null;
  deadline_at: string;
  metadata: Record<string, unknown>;
  /** Of a batch: its `items` are the first 100 here. */
  batch?: {
    /** As they came, good and bad. */
    rows: number;
    /** An item each. */
    accepted: number;
    /** They cost nothing. */
    rejected: number;
    /** Items that have not ended. */
    open: number;
    completed: number;
    failed: number;
    canceled: number;
    /** All of its items, by pages. */
    items_url: string;
    /** All of its results as one file. */
    results_url: string;
    /** The rows that were not accepted. */
    errors_url: string;
  } | undefined;
};

export type GenerationCanceledEvent = {
  id: string;
  type: "generation.canceled";
  created_at: string;
  account_id: string;
  data: {
    generation_id: string;
    status: "canceled";
    cost: number;
    refunded: number;
    failed_items: number;
    canceled_items: number;
  };
};

export type GenerationCompletedEvent = {
  id: string;
  type: "generation.completed";
  created_at: string;
  account_id: string;
  data: {
    generation_id: string;
    status: "completed";
    cost: number;
    refunded: number;
    failed_items: number;
    canceled_items: number;
  };
};

export type GenerationFailedEvent = {
  id: string;
  type: "generation.failed";
  created_at: string;
  account_id: string;
  data: {
    generation_id: string;
    status: "failed";
    cost: number;
    refunded: number;
    failed_items: number;
    canceled_items: number;
  };
};

export type GenerationPage = {
  data: Generation[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type Hold = {
  id: string;
  status: "open" | "captured" | "released";
  amount: number;
  captured: number;
  released: number;
  /** While it is open. */
  expires_at?: string | undefined;
  transaction_id: string;
  available: number;
  held: number;
  debt: number;
};

export type Image = {
  id: string;
  /** Whose upload it is, or `result`: what a generation has made. */
  kind: "user" | "vendor" | "result";
  file_name: string | null;
  /** Works for an hour; ask again for another. */
  url: string;
  type: string;
  width: number;
  height: number;
  /** Bytes. */
  size: number;
  /** WebP, at most 320 pixels a side. */
  thumbnail: {
    /** Works for an hour; ask again for another. */
    url: string;
    width: number;
    height: number;
  };
  sha256: string;
  is_public: boolean;
  tags: string[];
  metadata: Record<string, unknown>;
  album_id: string | null;
  /** It may be deleted by now. */
  generation_id: string | null;
  generation_item_id: string | null;
  created_at: string;
  updated_at: string;
};

export type ImagePage = {
  data: Image[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type Input = PhotoInput | AddressInput | TextInput;

export type Item = {
  id: string;
  label: string | null;
  position: number;
  status: "pending" | "processing" | "completed" | "failed" | "canceled";
  cost: number;
  refunded: number;
  /** What it really cost, line by line; null: it has not ended well, or as priced. */
  charge: PriceLine[] | null;
  output: Output | null;
  /** When the output went: it was older than the plan keeps results. */
  output_removed_at: string | null;
  error: {
    code: string;
    message: string;
  } | null;
  attempts: number;
  started_at: string | null;
  completed_at: string | null;
  processing_time_ms: number | null;
};

export type ItemCanceledEvent = {
  id: string;
  type: "item.canceled";
  created_at: string;
  account_id: string;
  data: {
    generation_id: string;
    item_id: string;
    position: number;
    label: string | null;
    status: "canceled";
    cost: number;
    refunded: number;
    error?: {
      code: string;
      message: string;
    } | undefined;
  };
};

export type ItemCompletedEvent = {
  id: string;
  type: "item.completed";
  created_at: string;
  account_id: string;
  data: {
    generation_id: string;
    item_id: string;
    position: number;
    label: string | null;
    status: "completed";
    cost: number;
    refunded: number;
    error?: {
      code: string;
      message: string;
    } | undefined;
  };
};

export type ItemFailedEvent = {
  id: string;
  type: "item.failed";
  created_at: string;
  account_id: string;
  data: {
    generation_id: string;
    item_id: string;
    position: number;
    label: string | null;
    status: "failed";
    cost: number;
    refunded: number;
    error?: {
      code: string;
      message: string;
    } | undefined;
  };
};

export type ListParam = {
  type: "array";
  description?: string | undefined;
  items: TextParam;
  maxItems?: number | undefined;
};

export type ListedAccount = {
  id: string;
  external_id: string | null;
  kind: "user" | "vendor";
  name: string | null;
  email: string | null;
  phone: string | null;
  locale: string;
  is_active: boolean;
  created_at: string;
  bio: string | null;
  last_login_at: string | null;
  erased_at: string | null;
  /** The key of the plan that it has now. */
  plan: string | null;
  /** Why: `admin`, `dispute:<id>`, `erased`. */
  frozen: string[];
  available: number;
  held: number;
  debt: number;
};

export type ListedAccountPage = {
  data: ListedAccount[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type ListedCatalogVersion = {
  version: number;
  catalog: string;
  /** `start`: with a start of the deployment; `command`: by `pnpm catalog push`. */
  pushed_by: string;
  pushed_at: string;
  /** How many. */
  changes: number;
};

export type ListedCatalogVersionPage = {
  data: ListedCatalogVersion[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type LogIn = {
  email?: string | undefined;
  /** A mobile number with its country code. */
  phone?: string | undefined;
  password: string;
  /** Of the account to be on. The user's, unless it says otherwise. */
  kind?: "user" | "vendor" | undefined;
};

export type LoggedIn = SessionTokens | LoginChallenge;

export type LoginAccount = {
  id: string;
  kind: "user" | "vendor";
  name: string | null;
  /** Of a vendor. */
  business_name: string | null;
  is_active: boolean;
  /** The one that this session is on. */
  is_current: boolean;
  last_login_at: string | null;
  created_at: string;
};

export type LoginAccounts = {
  data: LoginAccount[];
};

export type LoginBan = {
  id: string;
  banned_at: string | null;
};

export type LoginChallenge = {
  /** For `POST /v1/auth/totp/verify`. */
  challenge: string;
  /** Seconds that it works, for five guesses at most. */
  expires_in: number;
};

export type LoginRole = {
  id: string;
  role: "user" | "support" | "admin";
};

export type MailAccepted = {
  message: string;
};

export type MailMe = {
  email: string;
};

export type MapParam = {
  type: "object";
  description?: string | undefined;
  additionalProperties: TextParam;
  maxProperties?: number | undefined;
};

export type Me = {
  id: string;
  external_id: string | null;
  kind: "user" | "vendor";
  name: string | null;
  email: string | null;
  phone: string | null;
  locale: string;
  is_active: boolean;
  created_at: string;
  /** Its URL works for an hour; ask again for another. */
  avatar: {
    id: string;
    url: string;
  } | null;
  bio: string | null;
  last_login_at: string | null;
};

export type Money = {
  amount: number;
  currency: string;
};

export type NewApiKey = {
  id: string;
  /** null: the product's own, for any account. */
  account_id: string | null;
  name: string;
  scopes: string[];
  replaces: string | null;
  created_by: string;
  /** Requests; null: any number. */
  limit_per_minute: number | null;
  expires_at: string | null;
  /** To the minute. */
  last_used_at: string | null;
  revoked_at: string | null;
  created_at: string;
  /** Shown this once. */
  key: string;
};

export type NewStyle = {
  id: string;
  name: string;
  description: string;
  category: string;
  kind: "image" | "text";
  generator: string;
  /** `{label}`, `{input}` and `{params.name}` stand for what a request says. */
  prompt: string;
  /** The generator's own; `inputs` among them says which params a request may have. */
  params?: Record<string, unknown> | undefined;
  /** Credits per item. */
  cost: number;
  deadline_s?: number | undefined;
  max_attempts?: number | undefined;
  /** Without it: `cost`. */
  pricing?: ({
    base: string;
    factors?: ({
      param: string;
      values: Record<string, string>;
      /** The value of requests that name none; without it they pay once. */
      default?: string | undefined;
    })[] | undefined;
    extras?: {
      param: string;
      values: Record<string, string>;
    }[] | undefined;
    tokens?: {
      input: {
        credits: string;
        /** So many tokens. */
        per: number;
      };
      output: {
        credits: string;
        /** So many tokens. */
        per: number;
      };
      /** Held, and charged, at most. */
      most_input: number;
      most_output: number;
    } | undefined;
    /** Of the price, for a result that was there already; default 100. */
    cached_percent?: number | undefined;
  }) | null | undefined;
  fallbacks?: StyleFallback[] | undefined;
  /** For so long a result answers the same request of its account again. */
  cache_days?: number | undefined;
};

export type NewWebhookEndpoint = {
  id: string;
  url: string;
  description: string | null;
  /** null: all but `item.*`. */
  events: string[] | null;
  status: "enabled" | "disabled";
  /** `gone`: it answered 410. `failing`: nothing could be delivered for five days. */
  disabled_reason: "manual" | "gone" | "failing" | null;
  disabled_at: string | null;
  /** null: the last delivery arrived. */
  failing_since: string | null;
  /** Tries in a row that failed. */
  failures: number;
  /** It asked for a pause until then. */
  retry_at: string | null;
  last_success_at: string | null;
  created_at: string;
  updated_at: string;
  /** `whsec_` and base64: a secret of Standard Webhooks. */
  secret: string;
};

export type NumberParam = {
  type: "integer" | "number";
  description?: string | undefined;
  minimum?: number | undefined;
  maximum?: number | undefined;
  default?: number | undefined;
};

export type OfferTotp = {
  /** The login's own, if it has one. */
  password?: string | undefined;
};

export type OpenAccount = {
  kind: "vendor";
  business_name: string;
};

export type OpenPortal = {
  return_url: string;
};

export type Output = PictureOutput | TextOutput;

export type Params = {
  /** Test mode only: makes the local generator misbehave. */
  simulate?: "error" | "flaky" | "slow" | "timeout" | "crash" | undefined;
  [name: string]: unknown;
};

export type Payment = {
  id: string;
  /** `created` waits for the customer, `pending` for the bank. A payment that has `failed` or `expired` may still succeed. `quarantined`: what was charged is not what was asked for, and a person looks at it. */
  status: "created" | "pending" | "succeeded" | "partially_reversed" | "reversed" | "disputed" | "failed" | "expired" | "quarantined";
  purpose: "pack" | "pass" | "subscription" | "renewal" | "reload" | "invoice";
  provider: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox";
  product: {
    key: string;
    name: Record<string, string>;
  } | null;
  price_id: string | null;
  subscription_id: string | null;
  subject: string | null;
  /** Ours: what the receipt and the pay link say. */
  reference: string;
  /** What was asked for. */
  price: {
    amount: number;
    currency: string;
  };
  /** What was paid, taxes included. */
  charged: Money | null;
  /** Refunds and lost disputes. */
  reversed: {
    amount: number;
    currency: string;
  };
  /** What it stands for; given when it succeeds. */
  credits: number;
  credits_granted: number;
  /** Taken back for what was reversed. */
  credits_clawed: number;
  period: {
    start: string;
    end: string;
  } | null;
  /** Where it can be paid, while it is open. */
  pay_url: string | null;
  /** The bank's. */
  receipt_ref: string | null;
  /** Masked. */
  card: string | null;
  failure_code: string | null;
  metadata: Record<string, unknown>;
  paid_at: string | null;
  expires_at: string | null;
  created_at: string;
};

export type PaymentFailedEvent = {
  id: string;
  type: "payment.failed";
  created_at: string;
  account_id: string;
  data: {
    payment_id: string;
    purpose: "pack" | "pass" | "subscription" | "renewal" | "reload" | "invoice";
    currency: string;
    amount: number;
    code: string | null;
  };
};

export type PaymentPage = {
  data: Payment[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type PaymentRefund = {
  id: string;
  /** `pending`: the provider's answer is not known, and it is asked again. */
  status: "pending" | "succeeded" | "failed";
  amount: Money;
  reason: string | null;
  /** Why it failed or is pending. */
  error: string | null;
  created_at: string;
  payment_id: string;
};

export type PaymentReversedEvent = {
  id: string;
  type: "payment.reversed";
  created_at: string;
  account_id: string;
  data: {
    payment_id: string;
    purpose: "pack" | "pass" | "subscription" | "renewal" | "reload" | "invoice";
    currency: string;
    /** All that is gone of the payment by now. */
    reversed: number;
    charged: number;
    /** All that was taken back of its credits by now. */
    credits: number;
  };
};

export type PaymentSucceededEvent = {
  id: string;
  type: "payment.succeeded";
  created_at: string;
  account_id: string;
  data: {
    payment_id: string;
    purpose: "pack" | "pass" | "subscription" | "renewal" | "reload" | "invoice";
    currency: string;
    amount: number;
    credits: number;
  };
};

export type PhotoInput = {
  type: "photo";
  /** An upload of this account. */
  photo_id?: string | undefined;
  photo_url?: string | undefined;
};

export type PictureOutput = {
  /** Signed; works for an hour. */
  url: string;
  type: string;
  width: number;
  height: number;
  size: number;
  sha256: string;
  /** Of a WebP, at most 320 pixels a side; signed as well. Null: there is none of it. */
  thumbnail_url: string | null;
};

export type Portal = {
  /** Short-lived: send the customer there at once. */
  url: string;
  expires_at: string | null;
};

export type Price = {
  /** Credits that are set aside for each item. */
  unit: number;
  /** They add up to it. */
  lines: PriceLine[];
};

export type PriceChange = {
  action: "create" | "update" | "restore" | "archive";
  what: "product" | "price";
  product: string;
  ref?: string | undefined;
  price?: Record<string, unknown> | undefined;
};

export type PriceLine = {
  kind: "base" | "factor" | "extra" | "tokens" | "cached" | "fallback";
  /** The reason, in words. */
  text?: string | undefined;
  param?: string | undefined;
  value?: string | undefined;
  /** The lines add up to the price. */
  credits: number;
};

export type Pricing = {
  base: string;
  factors?: ({
    param: string;
    values: Record<string, string>;
    /** The value of requests that name none; without it they pay once. */
    default?: string | undefined;
  })[] | undefined;
  extras?: {
    param: string;
    values: Record<string, string>;
  }[] | undefined;
  tokens?: {
    input: {
      credits: string;
      /** So many tokens. */
      per: number;
    };
    output: {
      credits: string;
      /** So many tokens. */
      per: number;
    };
    /** Held, and charged, at most. */
    most_input: number;
    most_output: number;
  } | undefined;
  /** Of the price, for a result that was there already; default 100. */
  cached_percent?: number | undefined;
};

export type Problem = {
  type: string;
  title: string;
  status: number;
  code: "validation_failed" | "malformed_body" | "unsupported_media_type" | "payload_too_large" | "account_required" | "idempotency_key_required" | "signature_invalid" | "unauthenticated" | "insufficient_credits" | "not_verified" | "forbidden" | "quota_exceeded" | "account_frozen" | "not_found" | "method_not_allowed" | "already_exists" | "in_progress" | "invalid_state" | "idempotency_conflict" | "rate_limited" | "provider_unavailable" | "unavailable" | "internal";
  detail?: string | undefined;
  request_id: string;
  /** JSON pointers into the body; `#/query/…` and `#/header/…` outside. */
  errors?: {
    pointer: string;
    detail: string;
  }[] | undefined;
  [name: string]: unknown;
};

export type Product = {
  id: string;
  key: string;
  kind: "plan" | "pack" | "pass";
  /** Who may buy it; null: everybody. */
  audience: "user" | "vendor" | null;
  /** A plan gives them each month, a pack or pass once. */
  credits: number;
  bonus: number;
  trial_days: number;
  trial_credits: number;
  rollover: "none" | "capped" | "full";
  rollover_cap: number | null;
  grace_days: number;
  /** Of a pass; of a pack's credits. */
  valid_days: number | null;
  needs_subject: boolean;
  allowances: Record<string, number>;
  /** Requests by unit of time. */
  rate_limits: Record<string, number>;
  /** Of a plan: running, open_items, daily_credits, retention_days; left out: no end. */
  limits: Record<string, number>;
  /** The plan of those who pay for none. */
  is_default: boolean;
  name: string;
  description: string;
  features: Record<string, Feature>;
  prices: ProductPrice[];
};

export type ProductList = {
  /** Of the texts, as in fa-IR. */
  language: string;
  data: Product[];
};

export type ProductPrice = {
  id: string;
  interval: "once" | "month" | "year";
  price: {
    /** In the smallest unit that the currency is counted in. */
    amount: number;
    currency: string;
  };
  /** Who can sell it here; none: it is not on sale at the moment. */
  providers: ("stripe" | "lemonsqueezy" | "zarinpal" | "sandbox")[];
  /** As the language writes it. Of one direction, without marks. */
  display: {
    price: string;
    per_credit: string | null;
    /** Of a yearly price. */
    per_month: string | null;
    /** Against twelve months, or a credit of the dearest pack; null: none. */
    savings: string | null;
  };
};

export type PromoCode = {
  id: string;
  code: string;
  credits: number;
  valid_days: number | null;
  subject: string | null;
  audience: "user" | "vendor" | null;
  max_redemptions: number | null;
  redemptions: number;
  starts_at: string | null;
  expires_at: string | null;
  is_active: boolean;
  created_at: string;
};

export type PromoCodePage = {
  data: PromoCode[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type PublicConfig = {
  trial_credits: number;
};

export type PublicImage = {
  id: string;
  file_name: string | null;
  /** Works for an hour; ask again for another. */
  url: string;
  type: string;
  width: number;
  height: number;
  /** Bytes. */
  size: number;
  /** WebP, at most 320 pixels a side. */
  thumbnail: {
    /** Works for an hour; ask again for another. */
    url: string;
    width: number;
    height: number;
  };
  tags: string[];
  /** Of public albums only. */
  album_id: string | null;
  created_at: string;
};

export type PublicImagePage = {
  data: PublicImage[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type PublishStyle = {
  name: string;
  description: string;
  category: string;
  kind: "image" | "text";
  generator: string;
  /** `{label}`, `{input}` and `{params.name}` stand for what a request says. */
  prompt: string;
  /** The generator's own; `inputs` among them says which params a request may have. */
  params?: Record<string, unknown> | undefined;
  /** Credits per item. */
  cost: number;
  deadline_s?: number | undefined;
  max_attempts?: number | undefined;
  /** Without it: `cost`. */
  pricing?: ({
    base: string;
    factors?: ({
      param: string;
      values: Record<string, string>;
      /** The value of requests that name none; without it they pay once. */
      default?: string | undefined;
    })[] | undefined;
    extras?: {
      param: string;
      values: Record<string, string>;
    }[] | undefined;
    tokens?: {
      input: {
        credits: string;
        /** So many tokens. */
        per: number;
      };
      output: {
        credits: string;
        /** So many tokens. */
        per: number;
      };
      /** Held, and charged, at most. */
      most_input: number;
      most_output: number;
    } | undefined;
    /** Of the price, for a result that was there already; default 100. */
    cached_percent?: number | undefined;
  }) | null | undefined;
  fallbacks?: StyleFallback[] | undefined;
  /** For so long a result answers the same request of its account again. */
  cache_days?: number | undefined;
};

export type QueueTicket = {
  /** Opens the dashboard once; whoever has it gets in. */
  url: string;
  expires_at: string;
};

export type QuotaReachedEvent = {
  id: string;
  type: "quota.reached";
  created_at: string;
  account_id: string;
  data: {
    /** The feature's key. */
    quota: string;
    name: Record<string, string> | null;
    used: number;
    limit: number;
    resets_at: string | null;
  };
};

export type QuotaWarningEvent = {
  id: string;
  type: "quota.warning";
  created_at: string;
  account_id: string;
  data: {
    /** The feature's key. */
    quota: string;
    name: Record<string, string> | null;
    used: number;
    limit: number;
    resets_at: string | null;
  };
};

export type Reconcile = {
  /** Unnamed, all that there are. */
  provider?: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox" | undefined;
  /** Without it: since the last good run. */
  since?: string | undefined;
};

export type Reconciliation = {
  id: string;
  provider: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox";
  /** `failed`: the provider or the books could not be asked; the next run goes on. */
  status: "waiting" | "running" | "clean" | "differs" | "failed";
  since: string;
  /** How much the provider told. */
  facts: number;
  /** 1000 at most. */
  differences: Difference[];
  error: string | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
};

export type ReconciliationPage = {
  data: Reconciliation[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type RedeemCode = {
  code: string;
};

export type Redemption = {
  code: string;
  credits: number;
  subject: string | null;
  expires_at: string | null;
  transaction_id: string;
  available: number;
  held: number;
  debt: number;
};

export type Refresh = {
  refresh_token: string;
};

export type Refund = {
  generation_id: string;
  /** How many were paid back. */
  items: number;
  credits: number;
};

export type RefundGeneration = {
  /** Without it: every completed item. */
  items?: string[] | undefined;
  reason: string;
};

export type RefundPayment = {
  /** In the payment's currency, in cents or rials. All that is left. */
  amount?: number | undefined;
  reason: string;
};

export type Register = {
  email?: string | undefined;
  /** A mobile number with its country code. */
  phone?: string | undefined;
  password: string;
  locale?: string | undefined;
};

export type ReleasedUsage = {
  feature: string;
  used: number;
  /** null: no end. */
  limit: number | null;
  remaining: number | null;
  resets_at: string | null;
  amount: number;
  /** How much can be used again: not what has ended. */
  returned: number;
};

export type ReplayDeliveries = {
  /** `missed`: events that were never meant for it, because it was disabled or not there yet; the deployment's own endpoints have none. */
  what?: "failed" | "delivered" | "missed" | undefined;
  type?: "generation.completed" | "generation.failed" | "generation.canceled" | "item.completed" | "item.failed" | "item.canceled" | "credits.granted" | "credits.low" | "credits.expiring" | "credits.refunded" | "credits.expired" | "quota.warning" | "quota.reached" | "payment.succeeded" | "payment.failed" | "payment.reversed" | "subscription.changed" | "auto_reload.succeeded" | "auto_reload.needs_customer" | "auto_reload.disabled" | "webhook_endpoint.disabled" | undefined;
  /** When it happened, this moment included. */
  from?: string | undefined;
  /** … excluded. */
  to?: string | undefined;
  /** An event to go on after: the last of `ids`. */
  after?: string | undefined;
  /** The oldest are first. */
  limit?: number | undefined;
  dry_run?: boolean | undefined;
};

export type ReplayEvents = {
  /** `received`: waits for a worker. `dead`: could not be processed and is not tried any more. */
  status: "received" | "processed" | "ignored" | "dead";
  provider?: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox" | undefined;
  type?: string | undefined;
  /** When it came, this moment included. */
  from?: string | undefined;
  /** … excluded. */
  to?: string | undefined;
  /** The oldest are first. */
  limit?: number | undefined;
  dry_run?: boolean | undefined;
};

export type ReplayedDeliveries = {
  dry_run: boolean;
  count: number;
  /** Of the events, the oldest first. */
  ids: string[];
};

export type RequestedRuns = {
  data: Reconciliation[];
};

export type ResetPassword = {
  token: string;
  password: string;
};

export type ResolveRefund = {
  /** Whether the provider has paid it back, as somebody has seen there. */
  outcome: "succeeded" | "failed";
  /** How that is known; for the audit line. */
  reason: string;
};

export type RestoreCatalog = {
  version: number;
};

export type RestoreStyle = {
  version: number;
};

export type Results = {
  data: RowItem[];
};

export type RotateApiKey = {
  /** For how long the old key works beside the new one, in seconds. */
  overlap_s?: number | undefined;
};

export type RotateWebhookSecret = {
  /** For how long the former secret signs beside the new one, in seconds. */
  overlap_s?: number | undefined;
};

export type RowError = {
  /** Of the file, its header being 1; of JSON the row, from 1. */
  line: number;
  /** Into the rows as if they were JSON. */
  pointer: string;
  code: "validation_failed" | "malformed_row" | "row_too_large";
  message: string;
};

export type RowErrorPage = {
  data: RowError[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type RowItem = {
  id: string;
  label: string | null;
  position: number;
  status: "pending" | "processing" | "completed" | "failed" | "canceled";
  cost: number;
  refunded: number;
  /** What it really cost, line by line; null: it has not ended well, or as priced. */
  charge: PriceLine[] | null;
  output: Output | null;
  /** When the output went: it was older than the plan keeps results. */
  output_removed_at: string | null;
  error: {
    code: string;
    message: string;
  } | null;
  attempts: number;
  started_at: string | null;
  completed_at: string | null;
  processing_time_ms: number | null;
  generation_id: string;
  /** Where its row stood; null: it was none. */
  line: number | null;
  input: Record<string, unknown>;
  params: Record<string, unknown>;
};

export type RowItemPage = {
  data: RowItem[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type SaveVendor = {
  /** Another one has to be verified again. */
  business_name: string;
  profile_info?: string | null | undefined;
  /** What customers may see. */
  contact_info?: {
    email?: string | undefined;
    phone?: string | undefined;
    /** http or https. */
    website?: string | undefined;
    address?: string | undefined;
  } | undefined;
  social_links?: Record<string, string> | undefined;
};

export type SelectedEvents = {
  dry_run: boolean;
  count: number;
  ids: string[];
};

export type SendCode = {
  /** A mobile number with its country code. */
  phone: string;
  purpose: "phone_verify" | "login" | "password_reset";
  locale?: string | undefined;
};

export type Session = {
  id: string;
  account_id: string;
  user_agent: string | null;
  ip: string | null;
  is_current: boolean;
  created_at: string;
  refreshed_at: string;
  expires_at: string;
};

export type SessionTokens = {
  /** For `Authorization: Bearer`; 15 minutes. */
  access_token: string;
  access_expires_at: string;
  /** Works once; 30 days. */
  refresh_token: string;
  refresh_expires_at: string;
  account_id: string;
  /** Until it is, nothing can be spent. */
  is_verified: boolean;
};

export type Sessions = {
  data: Session[];
};

export type SetAlerts = {
  /** Told when fewer credits than this are left; null: never. */
  low_balance: number | null;
  /** Told when a quota is at 80 and at 100 %. */
  quota: boolean;
  /** Told three days before credits expire. */
  expiring: boolean;
  /** Whether the account hears of it by mail or text message, beside the event. */
  messages: boolean;
};

export type SetAutoReload = TurnOnAutoReload | TurnOffAutoReload;

export type SetOverride = {
  /** Of a flag true or false, of a limit a number or null for no end. */
  value: boolean | number | null;
  expires_at?: string | undefined;
  reason: string;
};

export type SetRole = {
  role: "user" | "support" | "admin";
};

export type SetSetting = {
  value?: unknown | undefined;
  /** What you saw as `updated_at`: refused as `invalid_state` when it has been set meanwhile. Left out, nobody compares. */
  updated_at?: string | null | undefined;
};

export type Setting = {
  key: "trial_credits" | "audit_retention_days";
  /** In force now. */
  value?: unknown | undefined;
  default?: unknown | undefined;
  description: string;
  is_public: boolean;
  /** By hand, instead of the default or the catalog. */
  is_set: boolean;
  /** Null: nobody ever set it. */
  updated_at: string | null;
  updated_by: string | null;
};

export type SettingList = {
  data: Setting[];
};

export type ShowTotp = {
  code: string;
};

export type Statistics = {
  from: string;
  to: string;
  /** How fresh it is: some minutes old. */
  computed_at: string | null;
  /** Days that are still to be summed up. */
  pending_days: number;
  accounts: {
    users: {
      /** At the end of the last day; erased ones don't count. */
      total: number;
      new: number;
      erased: number;
    };
    vendors: {
      /** At the end of the last day; erased ones don't count. */
      total: number;
      new: number;
      erased: number;
    };
    active: number;
  };
  revenue: {
    provider: string;
    currency: string;
    payments: number;
    /** What was charged in these days, taxes included. */
    gross: number;
    /** Of these payments, by now. */
    refunded: number;
    /** Lost disputes of these payments, by now. */
    disputed: number;
    /** gross less what was refunded or lost, never below 0 each. */
    net: number;
  }[];
  /** By currency, at the end of the last day. */
  mrr: Money[];
  subscriptions: {
    by_plan: {
      plan: string;
      status: string;
      is_manual: boolean;
      count: number;
    }[];
    /** Active ones of whose price nothing is known. */
    unpriced: number;
    churn: {
      active_at_start: number;
      started: number;
      ended: number;
      rate: number | null;
    };
  };
  trials: {
    granted: number;
    converted: number;
  };
  credits: {
    granted: {
      trial: number;
      purchase: number;
      subscription: number;
      auto_reload: number;
      promo: number;
      adjustment: number;
    };
    /** Taken for generations, holds and by consume. */
    spent: number;
    paid_back: number;
    /** spent less paid_back. */
    used: number;
    expired: number;
    /** Taken back, less what was given back again. */
    clawed_back: number;
    adjusted_down: number;
    /** What all accounts had, at the end of the last day. */
    outstanding: number;
    /** What they owed. */
    debt: number;
    /** What was set aside when it was last looked at. */
    held: number;
  };
  generations: {
    pending: number;
    processing: number;
    completed: number;
    failed: number;
    canceled: number;
  };
  items: {
    completed: number;
    failed: number;
    canceled: number;
    failure_rate: number | null;
    errors: {
      code: string;
      count: number;
      rate: number;
    }[];
  };
  /** As it is now, whichever days were asked for. */
  live: {
    /** Null when the queue did not answer. */
    queue: {
      waiting: number;
      active: number;
      delayed: number;
      failed: number;
      oldest_seconds: number;
    } | null;
    backlog: {
      items: number;
      oldest_seconds: number;
    };
    /** What accounts may do, in the process that answered, since it began. */
    cache: {
      hits: number;
      misses: number;
      hit_rate: number | null;
    };
    webhooks: {
      waiting: number;
      oldest_seconds: number;
    };
    dead_letters: {
      webhook_events: number;
      messages: number;
    };
  };
};

export type StreamTicket = {
  /** Goes into the address of one stream, once. */
  ticket: string;
  expires_at: string;
};

export type Style = {
  id: string;
  version: number;
  name: string;
  description: string;
  category: string;
  kind: "image" | "text";
  /** Credits per item; with a pricing, of a request without params. */
  cost: number;
  deadline_s: number;
  /** What an item costs by what is asked for. */
  pricing: Pricing | null;
  /** For so long a result answers the same request of its account again; 0: never. */
  cache_days: number;
};

export type StyleDetail = {
  id: string;
  version: number;
  name: string;
  description: string;
  category: string;
  kind: "image" | "text";
  /** Credits per item; with a pricing, of a request without params. */
  cost: number;
  deadline_s: number;
  /** What an item costs by what is asked for. */
  pricing: Pricing | null;
  /** For so long a result answers the same request of its account again; 0: never. */
  cache_days: number;
  /** null: any params are taken. */
  inputs: StyleInputs | null;
};

export type StyleFallback = {
  generator: string;
  params?: Record<string, unknown> | undefined;
  /** Its own; never above what was set aside. */
  pricing?: {
    base: string;
    factors?: ({
      param: string;
      values: Record<string, string>;
      /** The value of requests that name none; without it they pay once. */
      default?: string | undefined;
    })[] | undefined;
    extras?: {
      param: string;
      values: Record<string, string>;
    }[] | undefined;
    tokens?: {
      input: {
        credits: string;
        /** So many tokens. */
        per: number;
      };
      output: {
        credits: string;
        /** So many tokens. */
        per: number;
      };
      /** Held, and charged, at most. */
      most_input: number;
      most_output: number;
    } | undefined;
    /** Of the price, for a result that was there already; default 100. */
    cached_percent?: number | undefined;
  } | undefined;
};

export type StyleInputs = {
  properties: Record<string, StyleParam>;
  required?: string[] | undefined;
  /** Whether params of other names are taken too; default false. */
  additionalProperties?: boolean | undefined;
};

export type StyleList = {
  data: Style[];
};

export type StyleParam = TextParam | NumberParam | FlagParam | MapParam | ListParam;

export type StyleRef = {
  id: string;
  version: number;
};

export type StyleVersion = {
  id: string;
  version: number;
  name: string;
  description: string;
  category: string;
  kind: "image" | "text";
  /** Credits per item; with a pricing, of a request without params. */
  cost: number;
  deadline_s: number;
  /** What an item costs by what is asked for. */
  pricing: Pricing | null;
  /** For so long a result answers the same request of its account again; 0: never. */
  cache_days: number;
  is_current: boolean;
  /** On offer, where it is the current one. */
  is_active: boolean;
  generator: string;
  prompt: string;
  params: Record<string, unknown>;
  max_attempts: number;
  fallbacks: ({
    generator: string;
    params: Record<string, unknown>;
    pricing?: Pricing | undefined;
  })[];
  created_at: string;
  /** An operator, whose word a new release leaves alone; null: it came with one. */
  published_by: string | null;
};

export type StyleVersionList = {
  data: StyleVersion[];
};

export type StyleVersionPage = {
  data: StyleVersion[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type Subscription = {
  id: string;
  /** `past_due` keeps its access for the plan's days of grace. */
  status: "incomplete" | "trialing" | "active" | "past_due" | "unpaid" | "paused" | "canceled";
  plan: {
    key: string;
    name: Record<string, string>;
  };
  price: Money | null;
  interval: "month" | "year";
  /** `manual`: an administrator gave it, and nobody pays for it. */
  provider: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox" | "manual";
  period: {
    start: string;
    end: string;
  } | null;
  trial_ends_at: string | null;
  /** When it ends although it runs. */
  cancel_at: string | null;
  /** A smaller plan that begins with the next period. */
  next_plan: {
    key: string;
    name: Record<string, string>;
  } | null;
  /** While it is past due: the end of grace. */
  access_until: string | null;
  ended_at: string | null;
  /** What its provider offers. */
  can: {
    change: boolean;
    cancel_now: boolean;
    /** There is a portal for it. */
    manage: boolean;
  };
  created_at: string;
};

export type SubscriptionChangedEvent = {
  id: string;
  type: "subscription.changed";
  created_at: string;
  account_id: string;
  data: {
    subscription_id: string;
    /** `past_due` keeps its access for the plan's days of grace. */
    status: "incomplete" | "trialing" | "active" | "past_due" | "unpaid" | "paused" | "canceled";
    product: string | null;
    period_start: string | null;
    period_end: string | null;
    cancel_at: string | null;
  };
};

export type SwitchAccount = {
  account_id?: string | undefined;
  kind?: "user" | "vendor" | undefined;
};

export type TextInput = {
  type: "text";
  prompt: string;
};

export type TextOutput = {
  text: string;
};

export type TextParam = {
  type: "string";
  description?: string | undefined;
  enum?: string[] | undefined;
  minLength?: number | undefined;
  maxLength?: number | undefined;
  default?: string | undefined;
};

export type TotpOffer = {
  /** Base32, for typing it in. */
  secret: string;
  /** For a QR code. */
  otpauth_url: string;
  /** Each works once, without the app. */
  backup_codes: string[];
};

export type TrackUsage = {
  feature: string;
  amount?: number | undefined;
  /** Of your own: the same again takes nothing, for 400 days. */
  event_id: string;
  /** What a pass may be bound to, as a property's address. */
  subject?: string | undefined;
};

export type TrackedUsage = {
  feature: string;
  used: number;
  /** null: no end. */
  limit: number | null;
  remaining: number | null;
  resets_at: string | null;
};

export type Transaction = {
  /** `<account>.<number>`, counted from 1 without a gap. */
  id: string;
  type: "trial" | "purchase" | "subscription" | "auto_reload" | "promo" | "generation" | "usage" | "refund" | "expiry" | "clawback" | "adjustment";
  /** Negative when credits were taken. */
  amount: number;
  balance_after: number;
  generation_id?: string | undefined;
  payment_id?: string | undefined;
  description: string | null;
  created_at: string;
};

export type TransactionPage = {
  data: Transaction[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type TurnOffAutoReload = {
  enabled: false;
};

export type TurnOnAutoReload = {
  enabled: true;
  /** Below as many paid credits, unbound ones, it buys. */
  threshold: number;
  price_id?: string | undefined;
  /** A pack. Instead of `price_id`. */
  product?: string | undefined;
  currency?: string | undefined;
  provider?: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox" | undefined;
  /** The most money in a calendar month (UTC), in the price's currency. */
  monthly_cap?: number | null | undefined;
  /** The customer agrees to be charged while they are away; keep a record of it. */
  consent: boolean;
};

export type UpdateAlbum = {
  name?: string | undefined;
  description?: string | null | undefined;
  /** Named in the portfolio of a vendor; its images are shown where they are public. */
  is_public?: boolean | undefined;
};

export type UpdateImage = {
  /** What people call it. No file is named after it. */
  file_name?: string | null | undefined;
  /** Shown in the portfolio of a vendor. */
  is_public?: boolean | undefined;
  tags?: string[] | undefined;
  metadata?: Record<string, unknown> | undefined;
  /** An album of the account. */
  album_id?: string | null | undefined;
};

export type UpdateMe = {
  name?: string | null | undefined;
  /** An upload of the account's; it then stays. */
  avatar?: string | null | undefined;
  bio?: string | null | undefined;
  locale?: "en" | "fa" | undefined;
};

export type UpdatePromoCode = {
  is_active?: boolean | undefined;
  max_redemptions?: number | null | undefined;
  expires_at?: string | null | undefined;
};

export type UpdateWebhookEndpoint = {
  /** A public https address on port 443. Events are sent to it by POST. */
  url?: string | undefined;
  description?: string | null | undefined;
  /** Which types of events; null: all but `item.*`. */
  events?: (("generation.completed" | "generation.failed" | "generation.canceled" | "item.completed" | "item.failed" | "item.canceled" | "credits.granted" | "credits.low" | "credits.expiring" | "credits.refunded" | "credits.expired" | "quota.warning" | "quota.reached" | "payment.succeeded" | "payment.failed" | "payment.reversed" | "subscription.changed" | "auto_reload.succeeded" | "auto_reload.needs_customer" | "auto_reload.disabled" | "webhook_endpoint.disabled")[]) | null | undefined;
  /** Disabling gives up what waits; enabling forgets the failures. What was missed is sent by a replay. */
  status?: "enabled" | "disabled" | undefined;
};

export type UpkeepTask = {
  name: string;
  about: string;
  every_seconds: number;
  /** Every worker does it, by rows that the database gives to one of them each. Otherwise one worker at a time does it. */
  is_parallel: boolean;
  /** `waiting`: due, asked for, or to be gone on with. One in parallel never runs. */
  state: "running" | "waiting" | "idle";
  next_due_at: string | null;
  /** Asked for, and not begun. */
  requested_at: string | null;
  /** Who asked for a run last. */
  requested_by: string | null;
  started_at: string | null;
  finished_at: string | null;
  /** When a run last ended well. */
  ok_at: string | null;
  /** Of the last run; the log says more. */
  error: string | null;
  /** Rows, files or accounts of the last run, or of this one. */
  done: number;
  done_total: number;
  runs: number;
  failures: number;
  failures_in_row: number;
};

export type UpkeepTaskList = {
  data: UpkeepTask[];
};

export type Upload = {
  id: string;
  type: "image/webp";
  width: number;
  height: number;
  /** Bytes. */
  size: number;
  expires_at: string;
};

export type Usage = {
  event_id: string;
  feature: string;
  amount: number;
  subject: string | null;
  released_at: string | null;
  created_at: string;
};

export type UsagePage = {
  data: Usage[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type UsageSummary = {
  from: string;
  to: string;
  group_by: ("day" | "style" | "model" | "feature" | "language" | "category")[];
  data: UsageSummaryLine[];
  total: UsageTotal;
  /** There are more lines than 5,000. */
  is_truncated: boolean;
  /** How fresh it is: some minutes old. */
  computed_at: string | null;
  /** Days that are still to be summed up. */
  pending_days: number;
};

export type UsageSummaryLine = {
  day?: string | undefined;
  style?: string | undefined;
  /** The style's generator, and its model where it names one. */
  model?: string | undefined;
  feature?: string | undefined;
  /** `params.language`; empty where the request had none. */
  language?: string | undefined;
  /** `params.category`, likewise. */
  category?: string | undefined;
  /** By the day on which they ended. */
  items: {
    completed: number;
    failed: number;
    canceled: number;
    in_batches: number;
  };
  /** failed / (completed + failed). */
  failure_rate: number | null;
  /** Of a feature: how much was used. 0 without `feature`. */
  amount: number;
  /** What items took and gave back by now. */
  credits: {
    charged: number;
    paid_back: number;
    /** Spent without a generation; by day only. */
    consumed: number;
  };
  tokens: {
    input: number;
    output: number;
  };
  /** Of completed items. Percentiles are told from classes of times. */
  response_ms: {
    average: number | null;
    p50: number | null;
    p95: number | null;
    max: number | null;
  };
};

export type UsageTotal = {
  /** By the day on which they ended. */
  items: {
    completed: number;
    failed: number;
    canceled: number;
    in_batches: number;
  };
  /** failed / (completed + failed). */
  failure_rate: number | null;
  /** Of a feature: how much was used. 0 without `feature`. */
  amount: number;
  /** What items took and gave back by now. */
  credits: {
    charged: number;
    paid_back: number;
    /** Spent without a generation; by day only. */
    consumed: number;
  };
  tokens: {
    input: number;
    output: number;
  };
  /** Of completed items. Percentiles are told from classes of times. */
  response_ms: {
    average: number | null;
    p50: number | null;
    p95: number | null;
    max: number | null;
  };
};

export type Vendor = {
  account_id: string;
  /** null: nothing was said yet. */
  business_name: string | null;
  profile_info: string | null;
  contact_info: Record<string, string>;
  social_links: Record<string, string>;
  verified_at: string | null;
  created_at: string | null;
  updated_at: string | null;
};

export type VendorPage = {
  id: string;
  business_name: string | null;
  profile_info: string | null;
  contact_info: Record<string, string>;
  social_links: Record<string, string>;
  /** Somebody has seen that they are who they say. */
  is_verified: boolean;
  /** Works for an hour. */
  avatar_url: string | null;
  /** Public ones, newest first, 100 at most. */
  albums: ({
    id: string;
    name: string;
    description: string | null;
    /** Public images in it. */
    image_count: number;
  })[];
};

export type VerifyCode = VerifyLoginCode | VerifyPhoneCode | VerifyResetCode;

export type VerifyEmail = {
  token: string;
};

export type VerifyEmailChange = {
  email: string;
  code: string;
};

export type VerifyLoginCode = {
  purpose: "login";
  /** A mobile number with its country code. */
  phone: string;
  code: string;
  locale?: string | undefined;
  /** Of the account to be on. The user's, unless it says otherwise. */
  kind?: "user" | "vendor" | undefined;
};

export type VerifyPhoneChange = {
  /** A mobile number with its country code. */
  phone: string;
  code: string;
};

export type VerifyPhoneCode = {
  purpose: "phone_verify";
  /** A mobile number with its country code. */
  phone: string;
  code: string;
  password?: string | undefined;
  locale?: string | undefined;
  /** Of the account to be on. The user's, unless it says otherwise. */
  kind?: "user" | "vendor" | undefined;
};

export type VerifyResetCode = {
  purpose: "password_reset";
  /** A mobile number with its country code. */
  phone: string;
  code: string;
  password: string;
};

export type WebhookDelivery = {
  id: string;
  endpoint_id: string;
  /** The event's id, sent as `webhook-id` with each try. */
  event_id: string;
  event_type: string;
  /** Whose event it is. */
  account_id: string;
  url: string;
  /** `pending`: waits for its (next) try. `failed`: is not tried any more. */
  status: "pending" | "sending" | "delivered" | "failed";
  /** Tries since it was planned or replayed. */
  attempts: number;
  next_try_at: string | null;
  /** The last twenty, the oldest first. */
  tries: ({
    at: string;
    /** The HTTP status; null: none came. */
    status: number | null;
    /** How long it took. */
    ms: number;
    error: string | null;
  })[];
  created_at: string;
  ended_at: string | null;
};

export type WebhookDeliveryDetail = {
  id: string;
  endpoint_id: string;
  /** The event's id, sent as `webhook-id` with each try. */
  event_id: string;
  event_type: string;
  /** Whose event it is. */
  account_id: string;
  url: string;
  /** `pending`: waits for its (next) try. `failed`: is not tried any more. */
  status: "pending" | "sending" | "delivered" | "failed";
  /** Tries since it was planned or replayed. */
  attempts: number;
  next_try_at: string | null;
  /** The last twenty, the oldest first. */
  tries: ({
    at: string;
    /** The HTTP status; null: none came. */
    status: number | null;
    /** How long it took. */
    ms: number;
    error: string | null;
  })[];
  created_at: string;
  ended_at: string | null;
  /** The body as it is sent; null: it is no longer kept. */
  event: {
    id: string;
    type: string;
    created_at: string;
    account_id: string;
    data: Record<string, unknown>;
  } | null;
};

export type WebhookDeliveryPage = {
  data: WebhookDelivery[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type WebhookEndpoint = {
  id: string;
  url: string;
  description: string | null;
  /** null: all but `item.*`. */
  events: string[] | null;
  status: "enabled" | "disabled";
  /** `gone`: it answered 410. `failing`: nothing could be delivered for five days. */
  disabled_reason: "manual" | "gone" | "failing" | null;
  disabled_at: string | null;
  /** null: the last delivery arrived. */
  failing_since: string | null;
  /** Tries in a row that failed. */
  failures: number;
  /** It asked for a pause until then. */
  retry_at: string | null;
  last_success_at: string | null;
  created_at: string;
  updated_at: string;
};

export type WebhookEndpointDisabledEvent = {
  id: string;
  type: "webhook_endpoint.disabled";
  created_at: string;
  account_id: string;
  data: {
    endpoint_id: string;
    url: string;
    /** `gone`: it answered 410. `failing`: for days. */
    reason: string;
    failing_since: string | null;
  };
};

export type WebhookEndpoints = {
  data: WebhookEndpoint[];
};

export type WebhookEvent = {
  id: string;
  provider: string;
  mode: "test" | "live";
  /** The provider's id of the event or delivery. */
  delivery_id: string;
  event_type: string;
  occurred_at: string;
  /** `received`: waits for a worker. `dead`: could not be processed and is not tried any more. */
  status: "received" | "processed" | "ignored" | "dead";
  /** How often a worker has tried. */
  retry_count: number;
  last_error: string | null;
  next_try_at: string | null;
  processed_at: string | null;
  /** When it was last replayed by hand. */
  retried_at: string | null;
  /** When it was given up by hand. */
  resolved_at: string | null;
  resolved_by: string | null;
  /** Whether its body is still kept. */
  has_body: boolean;
  created_at: string;
};

export type WebhookEventPage = {
  data: WebhookEvent[];
  next_cursor: string | null;
  total?: number | undefined;
};

export type WebhookSecret = {
  /** `whsec_` and base64: a secret of Standard Webhooks. */
  secret: string;
  /** Those that sign beside it, the newest first. */
  former: {
    /** `whsec_` and base64: a secret of Standard Webhooks. */
    secret: string;
    expires_at: string;
  }[];
};

export type WebhookTestEvent = {
  id: string;
  type: "webhook.test";
  created_at: string;
  account_id: string;
  data: {
    endpoint_id: string;
  };
};

export type Why = {
  reason?: string | undefined;
};

/** Every operation of the API: what it takes and what it answers. */
export type Operations = {
  /** A vendor, as everybody sees it */
  "GET /v1/vendors/{id}": {
    path: {
      /** The vendor's account. */
      id: string;
    };
    answer: VendorPage;
  };
  /** The public images of a vendor, newest first */
  "GET /v1/vendors/{id}/portfolio": {
    path: {
      /** The vendor's account. */
      id: string;
    };
    query?: {
      album_id?: string | undefined;
      /** With commas between them; images that have all of them. */
      tags?: string | undefined;
      /** Part of the file's name or of a tag. */
      query?: string | undefined;
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
    } | undefined;
    answer: PublicImagePage;
  };
  /** Sign up */
  "POST /v1/auth/register": {
    body: Register;
    answer: MailAccepted;
  };
  /** Log in */
  "POST /v1/auth/login": {
    body: LogIn;
    answer: LoggedIn;
  };
  /** Exchange a refresh token */
  "POST /v1/auth/refresh": {
    body: Refresh;
    answer: SessionTokens;
  };
  /** Prove an e-mail address */
  "POST /v1/auth/verify-email": {
    body: VerifyEmail;
    answer: undefined;
  };
  /** Mail the link that proves an address again */
  "POST /v1/auth/resend-verification": {
    body: MailMe;
    answer: MailAccepted;
  };
  /** Mail a link for a new password */
  "POST /v1/auth/forgot-password": {
    body: MailMe;
    answer: MailAccepted;
  };
  /** Choose a new password */
  "POST /v1/auth/reset-password": {
    body: ResetPassword;
    answer: undefined;
  };
  /** Send a code to a telephone */
  "POST /v1/auth/otp/send": {
    body: SendCode;
    answer: CodeSent;
  };
  /** Use a code */
  "POST /v1/auth/otp/verify": {
    body: VerifyCode;
    answer: LoggedIn | undefined;
  };
  /** Show the second factor */
  "POST /v1/auth/totp/verify": {
    body: AnswerChallenge;
    answer: SessionTokens;
  };
  /** The settings that a front end may know */
  "GET /v1/config": {
    answer: PublicConfig;
  };
  /** Come in with a ticket */
  "GET /v1/admin/queues/enter": {
    query?: {
      ticket?: string | undefined;
    } | undefined;
    answer: string;
  };
  /** End this session */
  "POST /v1/auth/logout": {
    answer: undefined;
  };
  /** List the login's open sessions */
  "GET /v1/auth/sessions": {
    answer: Sessions;
  };
  /** Go on with another account of the login */
  "POST /v1/auth/sessions": {
    body: SwitchAccount;
    answer: SessionTokens;
  };
  /** End all sessions of the login */
  "DELETE /v1/auth/sessions": {
    query?: {
      /** `true` ends all but the one that asks. */
      keep_current?: "true" | "false" | undefined;
    } | undefined;
    answer: undefined;
  };
  /** End a session of the login */
  "DELETE /v1/auth/sessions/{id}": {
    path: {
      id: string;
    };
    answer: undefined;
  };
  /** Get a second factor */
  "POST /v1/auth/totp": {
    body: OfferTotp;
    answer: TotpOffer;
  };
  /** Put the second factor in force */
  "POST /v1/auth/totp/activate": {
    body: ShowTotp;
    answer: undefined;
  };
  /** Do without the second factor */
  "POST /v1/auth/totp/disable": {
    body: ShowTotp;
    answer: undefined;
  };
  /** Change the e-mail address, or get one */
  "POST /v1/auth/email": {
    body: ChangeEmail;
    answer: CodeSent;
  };
  /** Change the telephone number, or get one */
  "POST /v1/auth/phone": {
    body: ChangePhone;
    answer: CodeSent;
  };
  /** Show the code that was mailed to the new address */
  "POST /v1/auth/email/verify": {
    body: VerifyEmailChange;
    answer: undefined;
  };
  /** Show the code that was sent to the new number */
  "POST /v1/auth/phone/verify": {
    body: VerifyPhoneChange;
    answer: undefined;
  };
  /** List the login's accounts */
  "GET /v1/auth/accounts": {
    answer: LoginAccounts;
  };
  /** Get a vendor account */
  "POST /v1/auth/accounts": {
    body: OpenAccount;
    answer: LoginAccount;
  };
  /** Make an account with its free trial credits */
  "POST /v1/accounts": {
    body: CreateAccount;
    answer: Account;
  };
  /** Make a token for the account's browser */
  "POST /v1/accounts/{id}/tokens": {
    path: {
      id: string;
    };
    body: CreateToken;
    answer: AccountToken;
  };
  /** List API keys */
  "GET /v1/api-keys": {
    answer: ApiKeys;
  };
  /** Make an API key */
  "POST /v1/api-keys": {
    body: CreateApiKey;
    answer: NewApiKey;
  };
  /** Revoke an API key */
  "DELETE /v1/api-keys/{id}": {
    path: {
      id: string;
    };
    answer: ApiKey;
  };
  /** Put a new key in the place of one */
  "POST /v1/api-keys/{id}/rotate": {
    path: {
      id: string;
    };
    body: RotateApiKey;
    answer: NewApiKey;
  };
  /** The account that you are */
  "GET /v1/me": {
    answer: Me;
  };
  /** Change what the account says of itself */
  "PATCH /v1/me": {
    body: UpdateMe;
    answer: Me;
  };
  /** Erase the account */
  "DELETE /v1/me": {
    body?: EraseMe | undefined;
    answer: undefined;
  };
  /** All that is kept of the account */
  "GET /v1/me/export": {
    answer: AccountExport;
  };
  /** The vendor's profile */
  "GET /v1/vendor": {
    answer: Vendor;
  };
  /** Write the vendor's profile */
  "PUT /v1/vendor": {
    body: SaveVendor;
    answer: Vendor;
  };
  /** The presets on offer */
  "GET /v1/styles": {
    answer: StyleList;
  };
  /** A preset on offer */
  "GET /v1/styles/{id}": {
    path: {
      id: string;
    };
    answer: StyleDetail;
  };
  /** Upload a photo to start from */
  "POST /v1/uploads": {
    body: FormData;
    answer: Upload;
  };
  /** The gallery, newest first */
  "GET /v1/images": {
    query?: {
      /** Whose upload it is, or `result`: what a generation has made. */
      kind?: "user" | "vendor" | "result" | undefined;
      is_public?: "true" | "false" | undefined;
      album_id?: string | undefined;
      /** With commas between them; images that have all of them. */
      tags?: string | undefined;
      /** Part of the file's name or of a tag. */
      query?: string | undefined;
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** `true` adds `total`: how many there are on all pages. */
      count?: "true" | "false" | undefined;
    } | undefined;
    answer: ImagePage;
  };
  /** Keep a picture in the gallery */
  "POST /v1/images": {
    body: CreateImage;
    answer: Image;
  };
  /** An image of the gallery */
  "GET /v1/images/{id}": {
    path: {
      id: string;
    };
    answer: Image;
  };
  /** Change what is said of an image */
  "PATCH /v1/images/{id}": {
    path: {
      id: string;
    };
    body: UpdateImage;
    answer: Image;
  };
  /** Take an image out of the gallery */
  "DELETE /v1/images/{id}": {
    path: {
      id: string;
    };
    answer: undefined;
  };
  /** Albums, newest first */
  "GET /v1/albums": {
    query?: {
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** `true` adds `total`: how many there are on all pages. */
      count?: "true" | "false" | undefined;
    } | undefined;
    answer: AlbumPage;
  };
  /** Make an album */
  "POST /v1/albums": {
    body: CreateAlbum;
    answer: Album;
  };
  /** An album */
  "GET /v1/albums/{id}": {
    path: {
      id: string;
    };
    answer: Album;
  };
  /** Change an album */
  "PATCH /v1/albums/{id}": {
    path: {
      id: string;
    };
    body: UpdateAlbum;
    answer: Album;
  };
  /** Delete an album */
  "DELETE /v1/albums/{id}": {
    path: {
      id: string;
    };
    answer: undefined;
  };
  /** What a generation would cost */
  "POST /v1/generations/estimate": {
    body: CreateGeneration;
    answer: Estimate;
  };
  /** Generations, newest first */
  "GET /v1/generations": {
    query?: {
      status?: "pending" | "processing" | "completed" | "failed" | "canceled" | undefined;
      style?: string | undefined;
      from?: string | undefined;
      to?: string | undefined;
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** `true` adds `total`: how many there are on all pages. */
      count?: "true" | "false" | undefined;
    } | undefined;
    answer: GenerationPage;
  };
  /** Ask for a generation and pay it */
  "POST /v1/generations": {
    body: CreateGeneration;
    answer: Generation;
  };
  /** Ask again for what failed */
  "POST /v1/generations/{id}/retry": {
    path: {
      id: string;
    };
    answer: Generation;
  };
  /** Ask for a generation of many rows */
  "POST /v1/generations/batch": {
    body: CreateBatch | string | FormData;
    answer: Batch;
  };
  /** The items of a generation, in their order */
  "GET /v1/generations/{id}/items": {
    path: {
      id: string;
    };
    query?: {
      status?: "pending" | "processing" | "completed" | "failed" | "canceled" | undefined;
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** `true` adds `total`: how many there are on all pages. */
      count?: "true" | "false" | undefined;
    } | undefined;
    answer: RowItemPage;
  };
  /** The results of a generation as one file */
  "GET /v1/generations/{id}/results": {
    path: {
      id: string;
    };
    query?: {
      format?: "csv" | "json" | "zip" | undefined;
      status?: "pending" | "processing" | "completed" | "failed" | "canceled" | undefined;
      /** The first position. */
      from?: string | undefined;
      /** The position to stop before. */
      to?: string | undefined;
      /** CSV only. `true`: begin with a byte order mark, for Excel. */
      bom?: "true" | "false" | undefined;
    } | undefined;
    answer: Results;
  };
  /** The rows of a batch that were not accepted */
  "GET /v1/generations/{id}/errors": {
    path: {
      id: string;
    };
    query?: {
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
    } | undefined;
    answer: RowErrorPage;
  };
  /** The work on a generation, as it goes on */
  "GET /v1/generations/{id}/events": {
    path: {
      id: string;
    };
    query?: {
      /** The `id` of the last event, where `Last-Event-ID` can't be sent. */
      after?: string | undefined;
      /** Instead of a key, for browsers: see `POST /v1/events/tickets`. */
      ticket?: string | undefined;
    } | undefined;
    answer: string | undefined;
  };
  /** A generation as it is now */
  "GET /v1/generations/{id}": {
    path: {
      id: string;
    };
    answer: Generation;
  };
  /** Forget a generation that has ended */
  "DELETE /v1/generations/{id}": {
    path: {
      id: string;
    };
    answer: undefined;
  };
  /** End a generation early */
  "POST /v1/generations/{id}/cancel": {
    path: {
      id: string;
    };
    answer: Generation;
  };
  /** What happened, oldest first */
  "GET /v1/events": {
    query?: {
      /** Those after the event of this id; left out: from the oldest that is kept. */
      after?: string | undefined;
      /** One, or several with commas between them. */
      type?: string | undefined;
      limit?: number | undefined;
    } | undefined;
    answer: EventPage;
  };
  /** What happens, as it happens */
  "GET /v1/events/stream": {
    query?: {
      /** The `id` of the last event, where `Last-Event-ID` can't be sent. */
      after?: string | undefined;
      /** Instead of a key, for browsers: see `POST /v1/events/tickets`. */
      ticket?: string | undefined;
    } | undefined;
    answer: string;
  };
  /** Let a browser open a stream */
  "POST /v1/events/tickets": {
    body: CreateStreamTicket;
    answer: StreamTicket;
  };
  /** What the account is told before something runs out */
  "GET /v1/alerts": {
    answer: Alerts;
  };
  /** Say what the account is told before something runs out */
  "PUT /v1/alerts": {
    body: SetAlerts;
    answer: Alerts;
  };
  /** Whether credits are bought when they run low */
  "GET /v1/credits/auto-reload": {
    answer: AutoReload;
  };
  /** Have credits bought when they run low */
  "PUT /v1/credits/auto-reload": {
    body: SetAutoReload;
    answer: AutoReload;
  };
  /** What the account has */
  "GET /v1/credits/balance": {
    answer: Balance;
  };
  /** The ledger, newest first */
  "GET /v1/credits/transactions": {
    query?: {
      /** One, or several with commas between them. */
      type?: string | undefined;
      /** Included. */
      from?: string | undefined;
      /** Not included. */
      to?: string | undefined;
      /** Included. */
      min_amount?: string | undefined;
      /** Included. */
      max_amount?: string | undefined;
      generation_id?: string | undefined;
      payment_id?: string | undefined;
      /** A part of the description, in any case. */
      text?: string | undefined;
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** `true` adds `total`: how many there are on all pages. */
      count?: "true" | "false" | undefined;
      /** CSV only. `true`: begin with a byte order mark, for Excel. */
      bom?: "true" | "false" | undefined;
    } | undefined;
    answer: TransactionPage;
  };
  /** Spend credits at once */
  "POST /v1/credits/consume": {
    body: ConsumeCredits;
    answer: Consumption;
  };
  /** Set credits aside */
  "POST /v1/credits/holds": {
    body: CreateHold;
    answer: Hold;
  };
  /** Spend what was set aside */
  "POST /v1/credits/holds/{id}/capture": {
    path: {
      id: string;
    };
    body: CaptureHold;
    answer: Hold;
  };
  /** Give back what was set aside */
  "POST /v1/credits/holds/{id}/release": {
    path: {
      id: string;
    };
    answer: Hold;
  };
  /** Redeem a code */
  "POST /v1/credits/redeem": {
    body: RedeemCode;
    answer: Redemption;
  };
  /** What the account may do now */
  "GET /v1/entitlements": {
    answer: Entitlements;
  };
  /** Ask whether the account may use so much of a feature */
  "POST /v1/entitlements/check": {
    body: CheckFeature;
    answer: CheckedFeature;
  };
  /** What was used, summed up */
  "GET /v1/usage/summary": {
    query?: {
      /** With commas between them: day, style, model, feature, language, category. `day` alone. */
      group_by?: string | undefined;
      /** The first day, UTC; 29 days before `to`. */
      from?: string | undefined;
      /** The last day, UTC; today. */
      to?: string | undefined;
      /** CSV only. `true`: begin with a byte order mark, for Excel. */
      bom?: "true" | "false" | undefined;
    } | undefined;
    answer: UsageSummary;
  };
  /** What was taken */
  "GET /v1/usage": {
    query?: {
      feature?: string | undefined;
      from?: string | undefined;
      to?: string | undefined;
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
    } | undefined;
    answer: UsagePage;
  };
  /** Take of a feature */
  "POST /v1/usage": {
    body: TrackUsage;
    answer: TrackedUsage;
  };
  /** Give back what an event took */
  "DELETE /v1/usage/{event_id}": {
    path: {
      event_id: string;
    };
    answer: ReleasedUsage;
  };
  /** What is sold */
  "GET /v1/products": {
    query?: {
      kind?: "plan" | "pack" | "pass" | undefined;
    } | undefined;
    answer: ProductList;
  };
  /** Open a page where something is paid */
  "POST /v1/checkout": {
    body: CreateCheckout;
    answer: Checkout;
  };
  /** Open the provider's page where cards and plans are managed */
  "POST /v1/portal": {
    body: OpenPortal;
    answer: Portal;
  };
  /** Payments, newest first */
  "GET /v1/payments": {
    query?: {
      /** `succeeded` includes what was reversed afterwards. */
      status?: "created" | "pending" | "succeeded" | "failed" | "expired" | "quarantined" | undefined;
      purpose?: "pack" | "pass" | "subscription" | "renewal" | "reload" | "invoice" | undefined;
      provider?: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox" | undefined;
      /** Included. */
      from?: string | undefined;
      /** Not included. */
      to?: string | undefined;
      /** Included. */
      min_amount?: string | undefined;
      /** Included. */
      max_amount?: string | undefined;
      currency?: string | undefined;
      /** A part of the reference or of `receipt_ref`, in any case. */
      text?: string | undefined;
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** `true` adds `total`: how many there are on all pages. */
      count?: "true" | "false" | undefined;
      /** CSV only. `true`: begin with a byte order mark, for Excel. */
      bom?: "true" | "false" | undefined;
    } | undefined;
    answer: PaymentPage;
  };
  /** A payment */
  "GET /v1/payments/{id}": {
    path: {
      id: string;
    };
    answer: Payment;
  };
  /** The receipt of a payment, as a page */
  "GET /v1/payments/{id}/receipt": {
    path: {
      id: string;
    };
    answer: string;
  };
  /** The account's subscription */
  "GET /v1/subscription": {
    answer: Subscription;
  };
  /** End the subscription */
  "POST /v1/subscription/cancel": {
    body: CancelSubscription;
    answer: Subscription;
  };
  /** Take a cancellation back */
  "POST /v1/subscription/resume": {
    answer: Subscription;
  };
  /** Move to another plan */
  "POST /v1/subscription/change": {
    body: ChangePlan;
    answer: Subscription;
  };
  /** List webhook endpoints */
  "GET /v1/webhook-endpoints": {
    answer: WebhookEndpoints;
  };
  /** Make a webhook endpoint */
  "POST /v1/webhook-endpoints": {
    body: CreateWebhookEndpoint;
    answer: NewWebhookEndpoint;
  };
  /** A webhook endpoint */
  "GET /v1/webhook-endpoints/{id}": {
    path: {
      id: string;
    };
    answer: WebhookEndpoint;
  };
  /** Change a webhook endpoint */
  "PATCH /v1/webhook-endpoints/{id}": {
    path: {
      id: string;
    };
    body: UpdateWebhookEndpoint;
    answer: WebhookEndpoint;
  };
  /** Remove a webhook endpoint */
  "DELETE /v1/webhook-endpoints/{id}": {
    path: {
      id: string;
    };
    answer: undefined;
  };
  /** What signs a webhook endpoint's events */
  "GET /v1/webhook-endpoints/{id}/secret": {
    path: {
      id: string;
    };
    answer: WebhookSecret;
  };
  /** Give a webhook endpoint a new secret */
  "POST /v1/webhook-endpoints/{id}/rotate": {
    path: {
      id: string;
    };
    body: RotateWebhookSecret;
    answer: WebhookSecret;
  };
  /** Send a test event */
  "POST /v1/webhook-endpoints/{id}/test": {
    path: {
      id: string;
    };
    answer: WebhookDelivery;
  };
  /** What was sent to a webhook endpoint, newest first */
  "GET /v1/webhook-endpoints/{id}/deliveries": {
    path: {
      id: string;
    };
    query?: {
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** `pending`: waits for its (next) try. `failed`: is not tried any more. */
      status?: "pending" | "sending" | "delivered" | "failed" | undefined;
      /** Of the event. */
      type?: string | undefined;
      /** Included. */
      from?: string | undefined;
      /** Not included. */
      to?: string | undefined;
    } | undefined;
    answer: WebhookDeliveryPage;
  };
  /** A delivery with its event */
  "GET /v1/webhook-endpoints/{id}/deliveries/{delivery_id}": {
    path: {
      id: string;
      delivery_id: string;
    };
    answer: WebhookDeliveryDetail;
  };
  /** Send one event again */
  "POST /v1/webhook-endpoints/{id}/deliveries/{delivery_id}/replay": {
    path: {
      id: string;
      delivery_id: string;
    };
    answer: WebhookDelivery;
  };
  /** Send events of a time again */
  "POST /v1/webhook-endpoints/{id}/replay": {
    path: {
      id: string;
    };
    body: ReplayDeliveries;
    answer: ReplayedDeliveries;
  };
  /** What signs events that are sent to a `webhook_url` */
  "GET /v1/webhook-secret": {
    answer: WebhookSecret;
  };
  /** Put a new secret in its place */
  "POST /v1/webhook-secret/rotate": {
    body: RotateWebhookSecret;
    answer: WebhookSecret;
  };
  /** Find accounts */
  "GET /v1/admin/accounts": {
    query?: {
      /** An id, external id, e-mail address, phone number, or how a name begins. */
      query?: string | undefined;
      kind?: "user" | "vendor" | undefined;
      /** The key of the plan that it has now. */
      plan?: string | undefined;
      frozen?: "true" | "false" | undefined;
      active?: "true" | "false" | undefined;
      /** Included. */
      from?: string | undefined;
      /** Not included. */
      to?: string | undefined;
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** CSV only. `true`: begin with a byte order mark, for Excel. */
      bom?: "true" | "false" | undefined;
    } | undefined;
    answer: ListedAccountPage;
  };
  /** An account with all that support asks for */
  "GET /v1/admin/accounts/{id}": {
    path: {
      id: string;
    };
    answer: AccountDetail;
  };
  /** Let an account act again */
  "POST /v1/admin/accounts/{id}/activate": {
    path: {
      id: string;
    };
    body?: Why | undefined;
    answer: AccountDetail;
  };
  /** Shut an account out */
  "POST /v1/admin/accounts/{id}/deactivate": {
    path: {
      id: string;
    };
    body?: Why | undefined;
    answer: AccountDetail;
  };
  /** Let an account spend nothing */
  "POST /v1/admin/accounts/{id}/freeze": {
    path: {
      id: string;
    };
    body?: Why | undefined;
    answer: AccountDetail;
  };
  /** Let an account spend again */
  "POST /v1/admin/accounts/{id}/unfreeze": {
    path: {
      id: string;
    };
    body?: Why | undefined;
    answer: AccountDetail;
  };
  /** Say that a vendor is who it says */
  "POST /v1/admin/accounts/{id}/vendor/verify": {
    path: {
      id: string;
    };
    body?: Why | undefined;
    answer: AccountDetail;
  };
  /** Take a vendor's verification back */
  "POST /v1/admin/accounts/{id}/vendor/unverify": {
    path: {
      id: string;
    };
    body?: Why | undefined;
    answer: AccountDetail;
  };
  /** Say for one account what a feature allows */
  "PUT /v1/admin/accounts/{id}/features/{feature}": {
    path: {
      id: string;
      feature: string;
    };
    body: SetOverride;
    answer: FeatureOverride;
  };
  /** Let plan and passes decide again */
  "DELETE /v1/admin/accounts/{id}/features/{feature}": {
    path: {
      id: string;
      feature: string;
    };
    answer: undefined;
  };
  /** Give stock of a feature */
  "POST /v1/admin/accounts/{id}/allowances": {
    path: {
      id: string;
    };
    body: AddAllowance;
    answer: Allowance;
  };
  /** Give an account a plan */
  "PUT /v1/admin/accounts/{id}/plan": {
    path: {
      id: string;
    };
    body: AssignPlan;
    answer: Entitlements;
  };
  /** Take an assigned plan away */
  "DELETE /v1/admin/accounts/{id}/plan": {
    path: {
      id: string;
    };
    answer: Entitlements;
  };
  /** Say what a login may do */
  "POST /v1/admin/logins/{id}/role": {
    path: {
      id: string;
    };
    body: SetRole;
    answer: LoginRole;
  };
  /** Take a second factor away */
  "DELETE /v1/admin/logins/{id}/totp": {
    path: {
      id: string;
    };
    answer: undefined;
  };
  /** Shut a person out */
  "POST /v1/admin/logins/{id}/ban": {
    path: {
      id: string;
    };
    body?: Why | undefined;
    answer: LoginBan;
  };
  /** Let a person in again */
  "POST /v1/admin/logins/{id}/unban": {
    path: {
      id: string;
    };
    body?: Why | undefined;
    answer: LoginBan;
  };
  /** Generations of every account, newest first */
  "GET /v1/admin/generations": {
    query?: {
      /** An account's id or external id. */
      account?: string | undefined;
      status?: "pending" | "processing" | "completed" | "failed" | "canceled" | undefined;
      style?: string | undefined;
      /** An item has failed with it. */
      error_code?: string | undefined;
      /** Included. */
      from?: string | undefined;
      /** Not included. */
      to?: string | undefined;
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** CSV only. `true`: begin with a byte order mark, for Excel. */
      bom?: "true" | "false" | undefined;
    } | undefined;
    answer: AdminGenerationPage;
  };
  /** Who did what, newest first */
  "GET /v1/admin/audit-logs": {
    query?: {
      actor?: string | undefined;
      action?: string | undefined;
      resource?: string | undefined;
      resource_id?: string | undefined;
      /** An account's id or external id. */
      account?: string | undefined;
      request_id?: string | undefined;
      /** Included. */
      from?: string | undefined;
      /** Not included. */
      to?: string | undefined;
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** CSV only. `true`: begin with a byte order mark, for Excel. */
      bom?: "true" | "false" | undefined;
    } | undefined;
    answer: AuditLogPage;
  };
  /** Correct a balance by hand */
  "POST /v1/admin/accounts/{id}/credits": {
    path: {
      id: string;
    };
    body: AdjustCredits;
    answer: Adjustment;
  };
  /** Pay completed items back */
  "POST /v1/admin/generations/{id}/refund": {
    path: {
      id: string;
    };
    body: RefundGeneration;
    answer: Refund;
  };
  /** Move an account's time ahead */
  "POST /v1/admin/clock/advance": {
    body: AdvanceClock;
    answer: AdvancedClock;
  };
  /** What is or was sold */
  "GET /v1/admin/products": {
    answer: AdminProductList;
  };
  /** Codes that give credits, newest first */
  "GET /v1/admin/promo-codes": {
    query?: {
      code?: string | undefined;
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
    } | undefined;
    answer: PromoCodePage;
  };
  /** Make a code that gives credits */
  "POST /v1/admin/promo-codes": {
    body: CreatePromoCode;
    answer: PromoCode;
  };
  /** Switch a code on or off, or change its bounds */
  "PATCH /v1/admin/promo-codes/{id}": {
    path: {
      id: string;
    };
    body: UpdatePromoCode;
    answer: PromoCode;
  };
  /** Webhooks of payment providers, newest first */
  "GET /v1/admin/webhook-events": {
    query?: {
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** `received`: waits for a worker. `dead`: could not be processed and is not tried any more. */
      status?: "received" | "processed" | "ignored" | "dead" | undefined;
      type?: string | undefined;
      provider?: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox" | undefined;
      /** Included. */
      from?: string | undefined;
      /** Not included. */
      to?: string | undefined;
      /** CSV only. `true`: begin with a byte order mark, for Excel. */
      bom?: "true" | "false" | undefined;
    } | undefined;
    answer: WebhookEventPage;
  };
  /** Process what a filter finds again */
  "POST /v1/admin/webhook-events/replay": {
    body: ReplayEvents;
    answer: SelectedEvents;
  };
  /** Give up what a filter finds */
  "POST /v1/admin/webhook-events/discard": {
    body: DiscardEvents;
    answer: SelectedEvents;
  };
  /** Process a webhook again */
  "POST /v1/admin/webhook-events/{id}/replay": {
    path: {
      id: string;
    };
    answer: WebhookEvent;
  };
  /** Give a webhook up */
  "POST /v1/admin/webhook-events/{id}/discard": {
    path: {
      id: string;
    };
    answer: WebhookEvent;
  };
  /** List webhook endpoints */
  "GET /v1/admin/webhook-endpoints": {
    answer: WebhookEndpoints;
  };
  /** Make a webhook endpoint */
  "POST /v1/admin/webhook-endpoints": {
    body: CreateWebhookEndpoint;
    answer: NewWebhookEndpoint;
  };
  /** A webhook endpoint */
  "GET /v1/admin/webhook-endpoints/{id}": {
    path: {
      id: string;
    };
    answer: WebhookEndpoint;
  };
  /** Change a webhook endpoint */
  "PATCH /v1/admin/webhook-endpoints/{id}": {
    path: {
      id: string;
    };
    body: UpdateWebhookEndpoint;
    answer: WebhookEndpoint;
  };
  /** Remove a webhook endpoint */
  "DELETE /v1/admin/webhook-endpoints/{id}": {
    path: {
      id: string;
    };
    answer: undefined;
  };
  /** What signs a webhook endpoint's events */
  "GET /v1/admin/webhook-endpoints/{id}/secret": {
    path: {
      id: string;
    };
    answer: WebhookSecret;
  };
  /** Give a webhook endpoint a new secret */
  "POST /v1/admin/webhook-endpoints/{id}/rotate": {
    path: {
      id: string;
    };
    body: RotateWebhookSecret;
    answer: WebhookSecret;
  };
  /** Send a test event */
  "POST /v1/admin/webhook-endpoints/{id}/test": {
    path: {
      id: string;
    };
    answer: WebhookDelivery;
  };
  /** What was sent to a webhook endpoint, newest first */
  "GET /v1/admin/webhook-endpoints/{id}/deliveries": {
    path: {
      id: string;
    };
    query?: {
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** `pending`: waits for its (next) try. `failed`: is not tried any more. */
      status?: "pending" | "sending" | "delivered" | "failed" | undefined;
      /** Of the event. */
      type?: string | undefined;
      /** Included. */
      from?: string | undefined;
      /** Not included. */
      to?: string | undefined;
    } | undefined;
    answer: WebhookDeliveryPage;
  };
  /** A delivery with its event */
  "GET /v1/admin/webhook-endpoints/{id}/deliveries/{delivery_id}": {
    path: {
      id: string;
      delivery_id: string;
    };
    answer: WebhookDeliveryDetail;
  };
  /** Send one event again */
  "POST /v1/admin/webhook-endpoints/{id}/deliveries/{delivery_id}/replay": {
    path: {
      id: string;
      delivery_id: string;
    };
    answer: WebhookDelivery;
  };
  /** Send events of a time again */
  "POST /v1/admin/webhook-endpoints/{id}/replay": {
    path: {
      id: string;
    };
    body: ReplayDeliveries;
    answer: ReplayedDeliveries;
  };
  /** Events on their way to anybody's endpoint, newest first */
  "GET /v1/admin/deliveries": {
    query?: {
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** `pending`: waits for its (next) try. `failed`: is not tried any more. */
      status?: "pending" | "sending" | "delivered" | "failed" | undefined;
      /** Of the event. */
      type?: string | undefined;
      endpoint?: string | undefined;
      /** Whose events: an account's id or external id. */
      account?: string | undefined;
      /** Included. */
      from?: string | undefined;
      /** Not included. */
      to?: string | undefined;
      /** CSV only. `true`: begin with a byte order mark, for Excel. */
      bom?: "true" | "false" | undefined;
    } | undefined;
    answer: AdminDeliveryPage;
  };
  /** Payments of every account, newest first */
  "GET /v1/admin/payments": {
    query?: {
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** An account's id or external id. */
      account?: string | undefined;
      provider?: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox" | undefined;
      /** `succeeded` includes what was reversed afterwards. */
      status?: "created" | "pending" | "succeeded" | "failed" | "expired" | "quarantined" | undefined;
      purpose?: "pack" | "pass" | "subscription" | "renewal" | "reload" | "invoice" | undefined;
      /** Included. */
      from?: string | undefined;
      /** Not included. */
      to?: string | undefined;
      /** Included. */
      min_amount?: string | undefined;
      /** Included. */
      max_amount?: string | undefined;
      currency?: string | undefined;
      /** A payment's id, its reference, its receipt's number, or the provider's name. */
      text?: string | undefined;
      /** CSV only. `true`: begin with a byte order mark, for Excel. */
      bom?: "true" | "false" | undefined;
    } | undefined;
    answer: AdminPaymentPage;
  };
  /** Pay a payment back */
  "POST /v1/admin/payments/{id}/refund": {
    path: {
      id: string;
    };
    body: RefundPayment;
    answer: PaymentRefund;
  };
  /** Say how a refund ended that nobody can ask about */
  "POST /v1/admin/payments/{id}/refunds/{refund_id}/resolve": {
    path: {
      id: string;
      refund_id: string;
    };
    body: ResolveRefund;
    answer: PaymentRefund;
  };
  /** What all accounts used, what it brought and what it cost */
  "GET /v1/admin/usage": {
    query?: {
      /** With commas between them: day, style, model, feature, language, category, account. `day` alone. */
      group_by?: string | undefined;
      /** Of this account only. */
      account?: string | undefined;
      /** The first day, UTC; 29 days before `to`. */
      from?: string | undefined;
      /** The last day, UTC; today. */
      to?: string | undefined;
      /** CSV only. `true`: begin with a byte order mark, for Excel. */
      bom?: "true" | "false" | undefined;
    } | undefined;
    answer: AdminUsage;
  };
  /** Runs of reconciliation, newest first */
  "GET /v1/admin/reconciliation": {
    query?: {
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      provider?: "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox" | undefined;
      /** `failed`: the provider or the books could not be asked; the next run goes on. */
      status?: "waiting" | "running" | "clean" | "differs" | "failed" | undefined;
    } | undefined;
    answer: ReconciliationPage;
  };
  /** Reconcile as soon as possible */
  "POST /v1/admin/reconciliation": {
    body: Reconcile;
    answer: RequestedRuns;
  };
  /** What payment providers told that needs a person, newest first */
  "GET /v1/admin/anomalies": {
    query?: {
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
      /** `true`: those that wait for a person; `false`: those that don't. */
      open?: "true" | "false" | undefined;
      kind?: string | undefined;
    } | undefined;
    answer: AnomalyPage;
  };
  /** Say that an anomaly was dealt with */
  "POST /v1/admin/anomalies/{id}/resolve": {
    path: {
      id: string;
    };
    answer: Anomaly;
  };
  /** What workers do by the clock, and how it goes */
  "GET /v1/admin/tasks": {
    answer: UpkeepTaskList;
  };
  /** Do a task as soon as possible */
  "POST /v1/admin/tasks/{name}/run": {
    path: {
      name: string;
    };
    answer: UpkeepTask;
  };
  /** What can be set while everything runs */
  "GET /v1/admin/config": {
    answer: SettingList;
  };
  /** One setting */
  "GET /v1/admin/config/{key}": {
    path: {
      key: string;
    };
    answer: Setting;
  };
  /** Set a setting */
  "PUT /v1/admin/config/{key}": {
    path: {
      key: string;
    };
    body: SetSetting;
    answer: Setting;
  };
  /** Take a setting back */
  "DELETE /v1/admin/config/{key}": {
    path: {
      key: string;
    };
    query?: {
      updated_at?: string | undefined;
    } | undefined;
    answer: Setting;
  };
  /** Every preset, on offer or not */
  "GET /v1/admin/styles": {
    answer: StyleVersionList;
  };
  /** Publish a new preset */
  "POST /v1/admin/styles": {
    body: NewStyle;
    answer: StyleVersion;
  };
  /** The versions of a preset, newest first */
  "GET /v1/admin/styles/{id}/versions": {
    path: {
      id: string;
    };
    query?: {
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
    } | undefined;
    answer: StyleVersionPage;
  };
  /** A preset as it is now */
  "GET /v1/admin/styles/{id}": {
    path: {
      id: string;
    };
    answer: StyleVersion;
  };
  /** Publish the next version of a preset */
  "PUT /v1/admin/styles/{id}": {
    path: {
      id: string;
    };
    body: PublishStyle;
    answer: StyleVersion;
  };
  /** One version of a preset */
  "GET /v1/admin/styles/{id}/versions/{version}": {
    path: {
      id: string;
      version: number;
    };
    answer: StyleVersion;
  };
  /** Go back to a former version of a preset */
  "POST /v1/admin/styles/{id}/restore": {
    path: {
      id: string;
    };
    body: RestoreStyle;
    answer: StyleVersion;
  };
  /** Put a preset on offer */
  "POST /v1/admin/styles/{id}/activate": {
    path: {
      id: string;
    };
    answer: StyleVersion;
  };
  /** Take a preset off */
  "POST /v1/admin/styles/{id}/deactivate": {
    path: {
      id: string;
    };
    answer: StyleVersion;
  };
  /** The catalog that is in force */
  "GET /v1/admin/catalog": {
    answer: CatalogVersion;
  };
  /** Sell what a catalog says */
  "POST /v1/admin/catalog": {
    query?: {
      /** `true`: tells what would change and writes nothing. */
      dry_run?: "true" | "false" | undefined;
    } | undefined;
    body: CatalogFile;
    answer: CatalogPush;
  };
  /** The catalogs that were pushed, newest first */
  "GET /v1/admin/catalog/versions": {
    query?: {
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
    } | undefined;
    answer: ListedCatalogVersionPage;
  };
  /** A catalog that was pushed */
  "GET /v1/admin/catalog/versions/{version}": {
    path: {
      version: number;
    };
    answer: CatalogVersion;
  };
  /** Go back to a former catalog */
  "POST /v1/admin/catalog/restore": {
    query?: {
      /** `true`: tells what would change and writes nothing. */
      dry_run?: "true" | "false" | undefined;
    } | undefined;
    body: RestoreCatalog;
    answer: CatalogPush;
  };
  /** Messages that could not be sent, newest first */
  "GET /v1/admin/messages": {
    query?: {
      /** Its id or external id. */
      account?: string | undefined;
      kind?: string | undefined;
      channel?: "email" | "sms" | undefined;
      /** `next_cursor` of a page. */
      cursor?: string | undefined;
      limit?: number | undefined;
    } | undefined;
    answer: FailedMessagePage;
  };
  /** Try to send a message again */
  "POST /v1/admin/messages/{id}/retry": {
    path: {
      id: string;
    };
    answer: FailedMessage;
  };
  /** Give a message up */
  "POST /v1/admin/messages/{id}/discard": {
    path: {
      id: string;
    };
    answer: FailedMessage;
  };
  /** Let a browser see the queues */
  "POST /v1/admin/queues/session": {
    answer: QueueTicket;
  };
  /** The numbers of the whole deployment */
  "GET /v1/admin/stats": {
    query?: {
      /** The first day, UTC; 29 days before `to`. */
      from?: string | undefined;
      /** The last day, UTC; today. */
      to?: string | undefined;
    } | undefined;
    answer: Statistics;
  };
};

/** The operations that take an Idempotency-Key. */
export const keyedOperations: readonly (keyof Operations)[] = [
  "POST /v1/generations",
  "POST /v1/generations/{id}/retry",
  "POST /v1/generations/batch",
  "POST /v1/credits/consume",
  "POST /v1/credits/holds",
  "POST /v1/credits/redeem",
  "POST /v1/checkout",
  "POST /v1/subscription/change",
  "POST /v1/admin/accounts/{id}/allowances",
  "POST /v1/admin/accounts/{id}/credits",
  "POST /v1/admin/generations/{id}/refund",
  "POST /v1/admin/clock/advance",
  "POST /v1/admin/payments/{id}/refund",
];
