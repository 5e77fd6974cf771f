CREATE TYPE "ducat"."entry_type" AS ENUM('trial', 'purchase', 'subscription', 'auto_reload', 'promo', 'generation', 'usage', 'refund', 'expiry', 'clawback', 'adjustment');--> statement-breakpoint
CREATE TYPE "ducat"."item_status" AS ENUM('pending', 'processing', 'completed', 'failed', 'canceled');--> statement-breakpoint
CREATE TABLE "ducat"."accounts" (
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"kind" text NOT NULL,
	"external_id" text,
	"name" text,
	"email" text,
	"phone" text,
	"avatar" text,
	"bio" text,
	"locale" text DEFAULT 'en' NOT NULL,
	"is_active" boolean DEFAULT true NOT NULL,
	"last_login_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "accounts_external_id_key" UNIQUE("external_id"),
	CONSTRAINT "accounts_kind_email_key" UNIQUE("kind","email"),
	CONSTRAINT "accounts_kind_phone_key" UNIQUE("kind","phone"),
	CONSTRAINT "accounts_kind_check" CHECK (kind IN ('user', 'vendor')),
	CONSTRAINT "accounts_length_check" CHECK (length(external_id) <= 255 AND length(name) <= 200 AND length(email) <= 320
        AND length(phone) <= 32 AND length(bio) <= 2000 AND length(locale) <= 16)
);
--> statement-breakpoint
CREATE TABLE "ducat"."idempotency_keys" (
	"account_id" uuid NOT NULL,
	"scope" text NOT NULL,
	"key" text NOT NULL,
	"fingerprint" "bytea" NOT NULL,
	"result" jsonb,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY("account_id","scope","key"),
	CONSTRAINT "idempotency_keys_key_check" CHECK (length(key) BETWEEN 1 AND 255)
);
--> statement-breakpoint
CREATE TABLE "ducat"."credit_accounts" (
	"account_id" uuid PRIMARY KEY NOT NULL,
	"available" bigint DEFAULT 0 NOT NULL,
	"trial" bigint DEFAULT 0 NOT NULL,
	"bound" bigint DEFAULT 0 NOT NULL,
	"held" bigint DEFAULT 0 NOT NULL,
	"debt" bigint DEFAULT 0 NOT NULL,
	"seq" bigint DEFAULT 0 NOT NULL,
	"head_grant_id" uuid,
	"head_remaining" bigint DEFAULT 0 NOT NULL,
	"head_trial" boolean DEFAULT false NOT NULL,
	"next_expiry_at" timestamp with time zone DEFAULT 'infinity' NOT NULL,
	"clock_offset" interval DEFAULT '0' NOT NULL,
	"frozen" text[] DEFAULT '{}' NOT NULL,
	"lifetime_granted" bigint DEFAULT 0 NOT NULL,
	"lifetime_used" bigint DEFAULT 0 NOT NULL,
	"lifetime_expired" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "credit_accounts_not_negative" CHECK (least(trial, bound, available - trial - bound, held, debt, head_remaining) >= 0)
);
--> statement-breakpoint
CREATE TABLE "ducat"."credit_entries" (
	"account_id" uuid NOT NULL,
	"seq" bigint NOT NULL,
	"type" "ducat"."entry_type" NOT NULL,
	"amount" bigint NOT NULL,
	"available_after" bigint NOT NULL,
	"debt_change" bigint DEFAULT 0 NOT NULL,
	"allocations" jsonb NOT NULL,
	"generation_id" uuid,
	"item_id" uuid,
	"hold_id" uuid,
	"payment_id" uuid,
	"cause" text,
	"description" varchar(500),
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "credit_entries_pkey" PRIMARY KEY("account_id","seq")
);
--> statement-breakpoint
CREATE TABLE "ducat"."credit_grants" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"source" text NOT NULL,
	"amount" bigint NOT NULL,
	"remaining" bigint NOT NULL,
	"expired" bigint DEFAULT 0 NOT NULL,
	"clawed" bigint DEFAULT 0 NOT NULL,
	"priority" smallint DEFAULT 100 NOT NULL,
	"subject" text,
	"starts_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone,
	"closed_at" timestamp with time zone,
	"payment_id" uuid,
	"effect_key" text NOT NULL,
	"reversed" bigint DEFAULT 0 NOT NULL,
	"taken" bigint DEFAULT 0 NOT NULL,
	"taken_at" timestamp with time zone,
	"restores" uuid,
	"result" jsonb,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "credit_grants_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "credit_grants_effect_key" UNIQUE("account_id","effect_key"),
	CONSTRAINT "credit_grants_source" CHECK (source IN ('trial', 'purchase', 'subscription', 'auto_reload', 'promo', 'adjustment')),
	CONSTRAINT "credit_grants_amounts" CHECK (amount BETWEEN 1 AND 1000000000000 AND remaining >= 0 AND expired >= 0 AND clawed >= 0
        AND remaining + expired + clawed <= amount),
	CONSTRAINT "credit_grants_taken" CHECK (reversed >= 0 AND taken BETWEEN 0 AND amount),
	CONSTRAINT "credit_grants_trial" CHECK (source <> 'trial' OR subject IS NULL),
	CONSTRAINT "credit_grants_length" CHECK (length(effect_key) <= 300 AND length(subject) <= 255)
);
--> statement-breakpoint
CREATE TABLE "ducat"."credit_holds" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"amount" bigint NOT NULL,
	"captured" bigint DEFAULT 0 NOT NULL,
	"released" bigint DEFAULT 0 NOT NULL,
	"allocations" jsonb NOT NULL,
	"status" text DEFAULT 'open' NOT NULL,
	"subject" text,
	"description" text,
	"entry_seq" bigint NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"closed_at" timestamp with time zone,
	"result" jsonb,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "credit_holds_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "credit_holds_status" CHECK (status IN ('open', 'captured', 'released', 'expired')
        AND (status = 'open') = (closed_at IS NULL)),
	CONSTRAINT "credit_holds_amounts" CHECK (amount BETWEEN 1 AND 1000000000000 AND captured >= 0 AND released >= 0
        AND CASE status WHEN 'open' THEN captured + released = 0
                        ELSE captured + released = amount END)
);
--> statement-breakpoint
CREATE TABLE "ducat"."usage_counters" (
	"account_id" uuid NOT NULL,
	"feature" text NOT NULL,
	"period_start" timestamp with time zone NOT NULL,
	"used" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "usage_counters_pkey" PRIMARY KEY("account_id","feature","period_start"),
	CONSTRAINT "usage_counters_used" CHECK (used >= 0)
);
--> statement-breakpoint
CREATE TABLE "ducat"."generation_items" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"generation_id" uuid NOT NULL,
	"position" integer NOT NULL,
	"label" varchar(200),
	"input" jsonb,
	"status" "ducat"."item_status" DEFAULT 'pending' NOT NULL,
	"due_at" timestamp with time zone NOT NULL,
	"readds" smallint DEFAULT 0 NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"failures" smallint DEFAULT 0 NOT NULL,
	"attempt_token" uuid,
	"lease_until" timestamp with time zone,
	"cancel_requested_at" timestamp with time zone,
	"provider_request_id" text,
	"output" jsonb,
	"error_code" text,
	"error_message" varchar(500),
	"cost" bigint NOT NULL,
	"cost_from" bigint NOT NULL,
	"captured" bigint DEFAULT 0 NOT NULL,
	"refunded" bigint DEFAULT 0 NOT NULL,
	"usage" jsonb,
	"response_time_ms" integer,
	"provider_cost_micros" bigint,
	"started_at" timestamp with time zone,
	"completed_at" timestamp with time zone,
	CONSTRAINT "generation_items_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "generation_items_amounts" CHECK (least(captured, refunded) >= 0 AND captured + refunded <= cost)
);
--> statement-breakpoint
CREATE TABLE "ducat"."generations" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"idempotency_key" varchar(255) NOT NULL,
	"fingerprint" "bytea" NOT NULL,
	"style_id" text NOT NULL,
	"style_version" integer NOT NULL,
	"kind" text NOT NULL,
	"input" json NOT NULL,
	"params" json NOT NULL,
	"subject" varchar(255),
	"reference" varchar(255),
	"metadata" json NOT NULL,
	"webhook_url" varchar(2048),
	"retry_of" uuid,
	"status" "ducat"."item_status" DEFAULT 'pending' NOT NULL,
	"item_count" integer NOT NULL,
	"open_items" integer NOT NULL,
	"failed_items" integer DEFAULT 0 NOT NULL,
	"canceled_items" integer DEFAULT 0 NOT NULL,
	"cost" bigint NOT NULL,
	"trial_cost" bigint NOT NULL,
	"captured" bigint DEFAULT 0 NOT NULL,
	"refunded" bigint DEFAULT 0 NOT NULL,
	"entry_seq" bigint,
	"balance_after" bigint NOT NULL,
	"usage" jsonb,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"deadline_at" timestamp with time zone NOT NULL,
	"completed_at" timestamp with time zone,
	"deleted_at" timestamp with time zone,
	CONSTRAINT "generations_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "generations_idempotency_key" UNIQUE("account_id","idempotency_key"),
	CONSTRAINT "generations_amounts" CHECK (least(captured, refunded, trial_cost, cost - trial_cost, open_items) >= 0
        AND captured + refunded <= cost)
);
--> statement-breakpoint
CREATE TABLE "ducat"."styles" (
	"id" text NOT NULL,
	"version" integer NOT NULL,
	"is_current" boolean DEFAULT true NOT NULL,
	"is_active" boolean DEFAULT true NOT NULL,
	"name" text NOT NULL,
	"description" text NOT NULL,
	"category" text NOT NULL,
	"kind" text NOT NULL,
	"generator" text NOT NULL,
	"prompt" text NOT NULL,
	"params" jsonb NOT NULL,
	"cost" bigint NOT NULL,
	"deadline_s" integer DEFAULT 900 NOT NULL,
	"max_attempts" smallint DEFAULT 3 NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "styles_pkey" PRIMARY KEY("id","version"),
	CONSTRAINT "styles_kind" CHECK (kind IN ('image', 'text')),
	CONSTRAINT "styles_bounds" CHECK (cost BETWEEN 0 AND 1000000 AND deadline_s BETWEEN 1 AND 86400
        AND max_attempts BETWEEN 1 AND 20)
);
--> statement-breakpoint
CREATE TABLE "ducat"."admin_config" (
	"key" text PRIMARY KEY NOT NULL,
	"value" jsonb NOT NULL,
	"requires_admin" boolean DEFAULT true NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ducat"."audit_logs" (
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"account_id" uuid,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"resource" text,
	"resource_id" text,
	"metadata" jsonb NOT NULL,
	"request_id" text,
	"ip" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ducat"."blobs" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"key" text NOT NULL,
	"sha256" text NOT NULL,
	"type" text NOT NULL,
	"size" bigint NOT NULL,
	"width" integer,
	"height" integer,
	"purpose" text NOT NULL,
	"generation_id" uuid,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"expires_at" timestamp with time zone,
	CONSTRAINT "blobs_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "blobs_key" UNIQUE("key"),
	CONSTRAINT "blobs_purpose" CHECK (purpose IN ('input', 'output')),
	CONSTRAINT "blobs_size" CHECK (size >= 0 AND length(key) <= 300 AND length(type) <= 100)
);
--> statement-breakpoint
CREATE TABLE "ducat"."outbox" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"type" text NOT NULL,
	"data" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "outbox_pkey" PRIMARY KEY("account_id","id")
);
--> statement-breakpoint
CREATE INDEX "credit_accounts_next_expiry" ON "ducat"."credit_accounts" USING btree ("next_expiry_at") WHERE next_expiry_at < 'infinity';--> statement-breakpoint
CREATE UNIQUE INDEX "credit_entries_item_cause" ON "ducat"."credit_entries" USING btree ("account_id","item_id","cause") WHERE cause IS NOT NULL;--> statement-breakpoint
CREATE INDEX "credit_grants_open" ON "ducat"."credit_grants" USING btree ("account_id") WHERE closed_at IS NULL;--> statement-breakpoint
CREATE INDEX "credit_holds_open" ON "ducat"."credit_holds" USING btree ("account_id") WHERE status = 'open';--> statement-breakpoint
CREATE INDEX "generation_items_generation" ON "ducat"."generation_items" USING btree ("account_id","generation_id");--> statement-breakpoint
CREATE INDEX "generation_items_due" ON "ducat"."generation_items" USING btree ("due_at") WHERE status IN ('pending', 'processing');--> statement-breakpoint
CREATE UNIQUE INDEX "styles_current" ON "ducat"."styles" USING btree ("id") WHERE is_current;--> statement-breakpoint
CREATE INDEX "audit_logs_account" ON "ducat"."audit_logs" USING btree ("account_id","created_at");--> statement-breakpoint
CREATE INDEX "blobs_expires" ON "ducat"."blobs" USING btree ("expires_at") WHERE expires_at IS NOT NULL;--> statement-breakpoint
-- Room on each page for the next version of a row, so that updates stay on it (HOT).
ALTER TABLE ducat.credit_accounts SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
--> statement-breakpoint
ALTER TABLE ducat.credit_grants SET (fillfactor = 80);
--> statement-breakpoint
ALTER TABLE ducat.generations SET (fillfactor = 80);
--> statement-breakpoint
ALTER TABLE ducat.generation_items SET (fillfactor = 80);
--> statement-breakpoint
ALTER TABLE ducat.usage_counters SET (fillfactor = 80);
--> statement-breakpoint
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ducat.credit_entries
FOR EACH ROW EXECUTE FUNCTION ducat.refuse_change();
--> statement-breakpoint
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ducat.audit_logs
FOR EACH ROW EXECUTE FUNCTION ducat.refuse_change();
--> statement-breakpoint
INSERT INTO ducat.admin_config (key, value) VALUES ('trial_credits', '3');
