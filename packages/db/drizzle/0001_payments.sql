CREATE SEQUENCE "ducat"."snapshot_tickets" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "ducat"."messages" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"kind" text NOT NULL,
	"channel" text NOT NULL,
	"data" jsonb NOT NULL,
	"effect_key" text NOT NULL,
	"status" text DEFAULT 'pending' NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"last_error" text,
	"due_at" timestamp with time zone,
	"sent_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "messages_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "messages_effect_key" UNIQUE("account_id","effect_key"),
	CONSTRAINT "messages_channel" CHECK (channel IN ('email', 'sms')),
	CONSTRAINT "messages_status" CHECK (status IN ('pending', 'sent', 'skipped', 'failed')),
	CONSTRAINT "messages_length" CHECK (length(kind) <= 64 AND length(effect_key) <= 300)
);
--> statement-breakpoint
CREATE TABLE "ducat"."webhook_events" (
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"provider" text NOT NULL,
	"mode" text NOT NULL,
	"dedupe" text NOT NULL,
	"delivery_id" text NOT NULL,
	"event_type" text NOT NULL,
	"occurred_at" timestamp with time zone NOT NULL,
	"body" "bytea",
	"status" text DEFAULT 'received' NOT NULL,
	"retry_count" integer DEFAULT 0 NOT NULL,
	"last_error" text,
	"due_at" timestamp with time zone,
	"lease_token" uuid,
	"unknown_since" timestamp with time zone,
	"waits_for" text,
	"processed_at" timestamp with time zone,
	"retried_at" timestamp with time zone,
	"resolved_at" timestamp with time zone,
	"resolved_by" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "webhook_events_once" UNIQUE("provider","mode","dedupe"),
	CONSTRAINT "webhook_events_status_check" CHECK (status IN ('received', 'processed', 'ignored', 'dead')),
	CONSTRAINT "webhook_events_length" CHECK (length(dedupe) <= 300 AND length(delivery_id) <= 300 AND length(event_type) <= 100
        AND length(last_error) <= 2000 AND length(waits_for) <= 300)
);
--> statement-breakpoint
CREATE TABLE "ducat"."auto_reloads" (
	"account_id" uuid PRIMARY KEY NOT NULL,
	"enabled" boolean NOT NULL,
	"threshold" integer NOT NULL,
	"price_id" uuid NOT NULL,
	"provider" text NOT NULL,
	"amount" bigint NOT NULL,
	"monthly_cap" bigint,
	"failures" integer DEFAULT 0 NOT NULL,
	"disabled_reason" text,
	"last_attempt_at" timestamp with time zone,
	"consented_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "auto_reloads_amounts" CHECK (threshold BETWEEN 1 AND 100 AND amount >= 10 AND monthly_cap >= 1 AND failures >= 0)
);
--> statement-breakpoint
CREATE TABLE "ducat"."payment_anomalies" (
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"provider" text NOT NULL,
	"mode" text NOT NULL,
	"kind" text NOT NULL,
	"about" text NOT NULL,
	"data" jsonb NOT NULL,
	"payment_id" uuid,
	"resolved_at" timestamp with time zone,
	"resolved_by" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "payment_anomalies_once" UNIQUE("provider","mode","kind","about")
);
--> statement-breakpoint
CREATE TABLE "ducat"."payment_attempts" (
	"account_id" uuid NOT NULL,
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"payment_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"status" text NOT NULL,
	"provider" text NOT NULL,
	"mode" text NOT NULL,
	"provider_ref" text,
	"method_ref" text,
	"amount" bigint NOT NULL,
	"currency" text NOT NULL,
	"code" text,
	"due_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "payment_attempts_kind" CHECK (kind IN ('checkout', 'charge')),
	CONSTRAINT "payment_attempts_status" CHECK (status IN ('reserved', 'sent', 'succeeded', 'processing', 'needs_customer',
        'failed_final', 'unknown', 'expired'))
);
--> statement-breakpoint
CREATE TABLE "ducat"."payment_disputes" (
	"account_id" uuid NOT NULL,
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"payment_id" uuid NOT NULL,
	"provider" text NOT NULL,
	"mode" text NOT NULL,
	"provider_ref" text NOT NULL,
	"status" text NOT NULL,
	"amount" bigint NOT NULL,
	"told_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "payment_disputes_provider_ref" UNIQUE("provider","mode","provider_ref"),
	CONSTRAINT "payment_disputes_status" CHECK (status IN ('opened', 'won', 'lost'))
);
--> statement-breakpoint
CREATE TABLE "ducat"."payment_refunds" (
	"account_id" uuid NOT NULL,
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"payment_id" uuid NOT NULL,
	"status" text DEFAULT 'reserved' NOT NULL,
	"amount" bigint NOT NULL,
	"reversed_before" bigint NOT NULL,
	"reason" text,
	"idempotency_key" text NOT NULL,
	"fingerprint" "bytea" NOT NULL,
	"actor" text NOT NULL,
	"error" text,
	"due_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "payment_refunds_key" UNIQUE("payment_id","idempotency_key"),
	CONSTRAINT "payment_refunds_status" CHECK (status IN ('reserved', 'unknown', 'succeeded', 'failed')),
	CONSTRAINT "payment_refunds_amount" CHECK (amount >= 1 AND reversed_before >= 0)
);
--> statement-breakpoint
CREATE TABLE "ducat"."payments" (
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"account_id" uuid NOT NULL,
	"reference" text NOT NULL,
	"purpose" text NOT NULL,
	"status" text DEFAULT 'created' NOT NULL,
	"provider" text NOT NULL,
	"mode" text NOT NULL,
	"product_id" uuid,
	"price_id" uuid,
	"subscription_id" uuid,
	"subject" text,
	"amount" bigint NOT NULL,
	"currency" text NOT NULL,
	"charged" bigint,
	"credits" bigint DEFAULT 0 NOT NULL,
	"credits_granted" bigint DEFAULT 0 NOT NULL,
	"provider_ref" text,
	"invoice_ref" text,
	"customer_ref" text,
	"receipt_ref" text,
	"card_mask" text,
	"effect_key" text,
	"refunded" bigint DEFAULT 0 NOT NULL,
	"refunded_at" timestamp with time zone,
	"disputed" bigint DEFAULT 0 NOT NULL,
	"reversed" bigint DEFAULT 0 NOT NULL,
	"clawed" bigint DEFAULT 0 NOT NULL,
	"reason" text,
	"period_start" timestamp with time zone,
	"period_end" timestamp with time zone,
	"failure_code" text,
	"saves_method" boolean DEFAULT false NOT NULL,
	"return_url" text,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"idempotency_key" text,
	"fingerprint" "bytea",
	"opening_until" timestamp with time zone,
	"checkout_url" text,
	"paid_at" timestamp with time zone,
	"expires_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "payments_reference" UNIQUE("reference"),
	CONSTRAINT "payments_effect_key" UNIQUE("effect_key"),
	CONSTRAINT "payments_idempotency_key" UNIQUE("account_id","idempotency_key"),
	CONSTRAINT "payments_purpose" CHECK (purpose IN ('pack', 'pass', 'subscription', 'renewal', 'reload', 'invoice')),
	CONSTRAINT "payments_reason" CHECK (reason IN ('initial', 'trial', 'renewal', 'restart', 'update', 'other')),
	CONSTRAINT "payments_status" CHECK (status IN ('created', 'pending', 'succeeded', 'failed', 'expired', 'quarantined')),
	CONSTRAINT "payments_amounts" CHECK (amount BETWEEN 0 AND 1000000000000 AND charged BETWEEN 0 AND 1000000000000
        AND least(refunded, disputed, reversed, clawed, credits, credits_granted) >= 0
        AND reversed <= coalesce(charged, 0) AND clawed <= credits_granted),
	CONSTRAINT "payments_paid_check" CHECK ((status = 'succeeded') = (paid_at IS NOT NULL)),
	CONSTRAINT "payments_length" CHECK (length(reference) <= 64 AND length(return_url) <= 2048 AND length(subject) <= 255
        AND length(effect_key) <= 300 AND length(checkout_url) <= 4096)
);
--> statement-breakpoint
CREATE TABLE "ducat"."provider_customers" (
	"account_id" uuid NOT NULL,
	"provider" text NOT NULL,
	"mode" text NOT NULL,
	"customer_ref" text NOT NULL,
	"method_ref" text,
	"method_told_at" timestamp with time zone,
	"removed_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "provider_customers_pkey" PRIMARY KEY("account_id","provider","mode")
);
--> statement-breakpoint
CREATE TABLE "ducat"."reconciliations" (
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"provider" text NOT NULL,
	"mode" text NOT NULL,
	"since" timestamp with time zone NOT NULL,
	"is_gapless" boolean NOT NULL,
	"status" text NOT NULL,
	"facts" integer DEFAULT 0 NOT NULL,
	"differences" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"error" text,
	"started_at" timestamp with time zone,
	"lease_until" timestamp with time zone,
	"finished_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "reconciliations_status" CHECK (status IN ('waiting', 'running', 'clean', 'differs', 'failed'))
);
--> statement-breakpoint
CREATE TABLE "ducat"."sandbox_documents" (
	"id" text PRIMARY KEY NOT NULL,
	"document" jsonb NOT NULL,
	"version" integer NOT NULL,
	"due_at" timestamp with time zone,
	"changed_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ducat"."allowance_grants" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"feature" text NOT NULL,
	"amount" bigint NOT NULL,
	"remaining" bigint NOT NULL,
	"priority" smallint DEFAULT 100 NOT NULL,
	"payment_id" uuid,
	"subscription_id" uuid,
	"effect_key" text NOT NULL,
	"starts_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "allowance_grants_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "allowance_grants_effect_key" UNIQUE("account_id","effect_key","feature"),
	CONSTRAINT "allowance_grants_amounts" CHECK (remaining BETWEEN 0 AND amount)
);
--> statement-breakpoint
CREATE TABLE "ducat"."prices" (
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"product_id" uuid NOT NULL,
	"provider" text,
	"currency" text NOT NULL,
	"interval" text NOT NULL,
	"amount" bigint NOT NULL,
	"provider_ref" text,
	"is_active" boolean DEFAULT true NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "prices_interval" CHECK (interval IN ('once', 'month', 'year')),
	CONSTRAINT "prices_amount" CHECK (amount BETWEEN 0 AND 1000000000000 AND currency ~ '^[A-Z]{3}$')
);
--> statement-breakpoint
CREATE TABLE "ducat"."products" (
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"key" text NOT NULL,
	"kind" text NOT NULL,
	"name" jsonb NOT NULL,
	"description" jsonb NOT NULL,
	"audience" text,
	"credits" bigint DEFAULT 0 NOT NULL,
	"bonus" bigint DEFAULT 0 NOT NULL,
	"trial_days" integer DEFAULT 0 NOT NULL,
	"trial_credits" bigint DEFAULT 0 NOT NULL,
	"rollover" text DEFAULT 'none' NOT NULL,
	"rollover_cap" bigint,
	"grace_days" integer DEFAULT 7 NOT NULL,
	"valid_days" integer,
	"needs_subject" boolean DEFAULT false NOT NULL,
	"features" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"allowances" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"rate_limits" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"is_default" boolean DEFAULT false NOT NULL,
	"is_active" boolean DEFAULT true NOT NULL,
	"position" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "products_key" UNIQUE("key"),
	CONSTRAINT "products_kind" CHECK (kind IN ('plan', 'pack', 'pass')),
	CONSTRAINT "products_audience" CHECK (audience IN ('user', 'vendor')),
	CONSTRAINT "products_rollover" CHECK (rollover IN ('none', 'capped', 'full')),
	CONSTRAINT "products_amounts" CHECK (credits BETWEEN 0 AND 1000000000000 AND bonus BETWEEN 0 AND 1000000000000
        AND trial_credits BETWEEN 0 AND 1000000000000 AND rollover_cap >= 0
        AND trial_days BETWEEN 0 AND 730 AND grace_days BETWEEN 0 AND 90
        AND valid_days BETWEEN 1 AND 3650)
);
--> statement-breakpoint
CREATE TABLE "ducat"."promo_codes" (
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"code" text NOT NULL,
	"credits" bigint NOT NULL,
	"valid_days" integer,
	"subject" text,
	"audience" text,
	"max_redemptions" integer,
	"redemptions" integer DEFAULT 0 NOT NULL,
	"starts_at" timestamp with time zone,
	"expires_at" timestamp with time zone,
	"is_active" boolean DEFAULT true NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "promo_codes_code" UNIQUE("code"),
	CONSTRAINT "promo_codes_code_check" CHECK (code ~ '^[A-Z0-9_-]{3,64}$'),
	CONSTRAINT "promo_codes_amounts" CHECK (credits BETWEEN 1 AND 1000000000000 AND redemptions >= 0
        AND redemptions <= coalesce(max_redemptions, redemptions)
        AND max_redemptions >= 1 AND valid_days BETWEEN 1 AND 3650)
);
--> statement-breakpoint
CREATE TABLE "ducat"."promo_redemptions" (
	"account_id" uuid NOT NULL,
	"promo_code_id" uuid NOT NULL,
	"grant_id" uuid NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "promo_redemptions_pkey" PRIMARY KEY("account_id","promo_code_id")
);
--> statement-breakpoint
CREATE TABLE "ducat"."passes" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"product_id" uuid NOT NULL,
	"subject" text,
	"starts_at" timestamp with time zone NOT NULL,
	"ends_at" timestamp with time zone NOT NULL,
	"payment_id" uuid NOT NULL,
	"effect_key" text NOT NULL,
	"revoked_at" timestamp with time zone,
	"reminded_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "passes_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "passes_effect_key" UNIQUE("account_id","effect_key"),
	CONSTRAINT "passes_times" CHECK (ends_at > starts_at)
);
--> statement-breakpoint
CREATE TABLE "ducat"."subscriptions" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"product_id" uuid NOT NULL,
	"price_id" uuid,
	"plan_ref" text,
	"provider" text NOT NULL,
	"mode" text NOT NULL,
	"provider_ref" text,
	"customer_ref" text,
	"status" text NOT NULL,
	"pause" text,
	"interval" text NOT NULL,
	"started_at" timestamp with time zone NOT NULL,
	"period_start" timestamp with time zone,
	"period_end" timestamp with time zone,
	"trial_ends_at" timestamp with time zone,
	"cancel_at" timestamp with time zone,
	"past_due_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	"next_product_id" uuid,
	"next_price_id" uuid,
	"refilled_product_id" uuid,
	"refill_payment_id" uuid,
	"refill_index" integer DEFAULT 0 NOT NULL,
	"next_refill_at" timestamp with time zone,
	"renewal_for" timestamp with time zone,
	"ticket" bigint DEFAULT 0 NOT NULL,
	"fetched_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "subscriptions_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "subscriptions_status" CHECK (status IN ('incomplete', 'trialing', 'active', 'past_due', 'unpaid', 'paused',
        'canceled')),
	CONSTRAINT "subscriptions_interval" CHECK (interval IN ('month', 'year'))
);
--> statement-breakpoint
ALTER TABLE "ducat"."credit_accounts" ADD COLUMN "reload_below" bigint;--> statement-breakpoint
ALTER TABLE "ducat"."credit_accounts" ADD COLUMN "reload_due_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "ducat"."credit_grants" ADD COLUMN "subscription_id" uuid;--> statement-breakpoint
CREATE INDEX "messages_due" ON "ducat"."messages" USING btree ("channel","due_at") WHERE due_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "webhook_events_due" ON "ducat"."webhook_events" USING btree ("due_at") WHERE due_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "webhook_events_status" ON "ducat"."webhook_events" USING btree ("status","id");--> statement-breakpoint
CREATE INDEX "webhook_events_waiting" ON "ducat"."webhook_events" USING btree ("provider","mode","waits_for") WHERE waits_for IS NOT NULL;--> statement-breakpoint
CREATE INDEX "webhook_events_body" ON "ducat"."webhook_events" USING btree ("created_at") WHERE body IS NOT NULL AND status IN ('processed', 'ignored');--> statement-breakpoint
CREATE INDEX "payment_anomalies_open" ON "ducat"."payment_anomalies" USING btree ("created_at") WHERE resolved_at IS NULL;--> statement-breakpoint
CREATE INDEX "payment_attempts_payment" ON "ducat"."payment_attempts" USING btree ("payment_id");--> statement-breakpoint
CREATE UNIQUE INDEX "payment_attempts_provider_ref" ON "ducat"."payment_attempts" USING btree ("provider","mode","provider_ref") WHERE provider_ref IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "payment_attempts_one_open" ON "ducat"."payment_attempts" USING btree ("account_id") WHERE kind = 'charge' AND status IN ('reserved', 'sent', 'processing', 'unknown');--> statement-breakpoint
CREATE INDEX "payment_attempts_waiting" ON "ducat"."payment_attempts" USING btree ("provider","mode","id") WHERE kind = 'checkout' AND status = 'sent';--> statement-breakpoint
CREATE INDEX "payment_attempts_due" ON "ducat"."payment_attempts" USING btree ("due_at") WHERE due_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "payment_disputes_payment" ON "ducat"."payment_disputes" USING btree ("payment_id");--> statement-breakpoint
CREATE UNIQUE INDEX "payment_refunds_one_open" ON "ducat"."payment_refunds" USING btree ("payment_id") WHERE status IN ('reserved', 'unknown');--> statement-breakpoint
CREATE INDEX "payment_refunds_due" ON "ducat"."payment_refunds" USING btree ("due_at") WHERE due_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "payments_account" ON "ducat"."payments" USING btree ("account_id","id");--> statement-breakpoint
CREATE UNIQUE INDEX "payments_provider_ref" ON "ducat"."payments" USING btree ("provider","mode","provider_ref") WHERE provider_ref IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "payments_invoice_ref" ON "ducat"."payments" USING btree ("provider","mode","invoice_ref") WHERE invoice_ref IS NOT NULL;--> statement-breakpoint
CREATE INDEX "payments_subscription" ON "ducat"."payments" USING btree ("subscription_id") WHERE subscription_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "payments_open" ON "ducat"."payments" USING btree ("provider","created_at") WHERE status IN ('created', 'pending');--> statement-breakpoint
CREATE INDEX "payments_paid" ON "ducat"."payments" USING btree ("provider","paid_at") WHERE paid_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "provider_customers_ref" ON "ducat"."provider_customers" USING btree ("provider","mode","customer_ref");--> statement-breakpoint
CREATE INDEX "reconciliations_last" ON "ducat"."reconciliations" USING btree ("provider","mode","started_at");--> statement-breakpoint
CREATE UNIQUE INDEX "reconciliations_one_running" ON "ducat"."reconciliations" USING btree ("provider","mode") WHERE status = 'running';--> statement-breakpoint
CREATE UNIQUE INDEX "reconciliations_one_waiting" ON "ducat"."reconciliations" USING btree ("provider","mode") WHERE status = 'waiting';--> statement-breakpoint
CREATE INDEX "sandbox_documents_due" ON "ducat"."sandbox_documents" USING btree ("due_at") WHERE due_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "sandbox_documents_changed" ON "ducat"."sandbox_documents" USING btree ("changed_at","id");--> statement-breakpoint
CREATE INDEX "allowance_grants_payment" ON "ducat"."allowance_grants" USING btree ("payment_id") WHERE payment_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "prices_product" ON "ducat"."prices" USING btree ("product_id");--> statement-breakpoint
CREATE UNIQUE INDEX "prices_current" ON "ducat"."prices" USING btree ("product_id",coalesce(provider, ''),"currency","interval") WHERE is_active;--> statement-breakpoint
CREATE INDEX "prices_provider_ref" ON "ducat"."prices" USING btree ("provider","provider_ref") WHERE provider_ref IS NOT NULL;--> statement-breakpoint
CREATE INDEX "passes_ends" ON "ducat"."passes" USING btree ("ends_at") WHERE reminded_at IS NULL AND revoked_at IS NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "subscriptions_provider_ref" ON "ducat"."subscriptions" USING btree ("provider","mode","provider_ref") WHERE provider_ref IS NOT NULL;--> statement-breakpoint
CREATE INDEX "subscriptions_refill" ON "ducat"."subscriptions" USING btree ("next_refill_at") WHERE next_refill_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "subscriptions_own" ON "ducat"."subscriptions" USING btree ("period_end") WHERE provider_ref IS NULL AND ended_at IS NULL;