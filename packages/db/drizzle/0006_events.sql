-- Items first, as those who end them do: whoever holds one waits for the outbox, and the other way
-- round this would wait for them, and none of it get on.
ALTER TABLE "ducat"."generation_items" ADD COLUMN "ended_no" integer;
--> statement-breakpoint
ALTER TABLE "ducat"."outbox" ADD COLUMN "seq" bigint DEFAULT 0;
--> statement-breakpoint
ALTER TABLE "ducat"."outbox" ALTER COLUMN "seq" SET DEFAULT NULL;
--> statement-breakpoint
CREATE TABLE "ducat"."event_heads" (
	"account_id" uuid PRIMARY KEY NOT NULL,
	"seq" bigint NOT NULL
);
--> statement-breakpoint
CREATE UNLOGGED TABLE "ducat"."item_progress" (
	"account_id" uuid NOT NULL,
	"item_id" uuid NOT NULL,
	"generation_id" uuid NOT NULL,
	"attempt" integer NOT NULL,
	"fraction" real,
	"text" text DEFAULT '' NOT NULL,
	"chars" integer DEFAULT 0 NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "item_progress_pkey" PRIMARY KEY("account_id","item_id")
);
--> statement-breakpoint
ALTER TABLE ducat.event_heads SET (fillfactor = 80);
--> statement-breakpoint
ALTER TABLE ducat.item_progress SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
--> statement-breakpoint
CREATE TABLE "ducat"."stream_tickets" (
	"hash" "bytea" PRIMARY KEY NOT NULL,
	"account_id" uuid NOT NULL,
	"generation_id" uuid,
	"actor" text NOT NULL,
	"session_id" uuid,
	"scopes" text[] NOT NULL,
	"ends_at" timestamp with time zone,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "stream_tickets_account" ON "ducat"."stream_tickets" USING btree ("account_id");
--> statement-breakpoint
CREATE INDEX "stream_tickets_expires" ON "ducat"."stream_tickets" USING btree ("expires_at");
--> statement-breakpoint
CREATE TABLE "ducat"."webhook_deliveries" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"endpoint_id" uuid NOT NULL,
	"event_account_id" uuid NOT NULL,
	"event_id" uuid NOT NULL,
	"event_type" varchar(100) NOT NULL,
	"url" varchar(2048),
	"status" text DEFAULT 'pending' NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"due_at" timestamp with time zone,
	"token" uuid,
	"log" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"ended_at" timestamp with time zone,
	CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "webhook_deliveries_once" UNIQUE("account_id","endpoint_id","event_id"),
	CONSTRAINT "webhook_deliveries_status" CHECK (status IN ('pending', 'sending', 'delivered', 'failed')),
	CONSTRAINT "webhook_deliveries_open_check" CHECK ((status IN ('pending', 'sending')) = (due_at IS NOT NULL)
        AND (due_at IS NULL) = (ended_at IS NOT NULL)
        AND (status = 'sending') = (token IS NOT NULL)),
	CONSTRAINT "webhook_deliveries_log" CHECK (jsonb_array_length(log) <= 20)
);
--> statement-breakpoint
CREATE TABLE "ducat"."webhook_endpoints" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"kind" text DEFAULT 'endpoint' NOT NULL,
	"url" varchar(2048) NOT NULL,
	"description" varchar(500),
	"events" text[],
	"status" text DEFAULT 'enabled' NOT NULL,
	"disabled_reason" text,
	"disabled_at" timestamp with time zone,
	"secrets" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"failing_since" timestamp with time zone,
	"failures" integer DEFAULT 0 NOT NULL,
	"retry_at" timestamp with time zone,
	"due_at" timestamp with time zone,
	"served_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"last_success_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "webhook_endpoints_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "webhook_endpoints_kind" CHECK (kind IN ('endpoint', 'origin')),
	CONSTRAINT "webhook_endpoints_status" CHECK (status IN ('enabled', 'disabled', 'deleted')),
	CONSTRAINT "webhook_endpoints_reason" CHECK ((status = 'enabled') = (disabled_reason IS NULL)
        AND disabled_reason IN ('manual', 'gone', 'failing', 'deleted')
        AND (status = 'enabled' OR due_at IS NULL)),
	CONSTRAINT "webhook_endpoints_limits" CHECK (cardinality(events) <= 100 AND jsonb_array_length(secrets) <= 5 AND failures >= 0)
);
--> statement-breakpoint
CREATE TABLE "ducat"."webhook_secrets" (
	"account_id" uuid PRIMARY KEY NOT NULL,
	"secrets" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "webhook_secrets_count" CHECK (jsonb_array_length(secrets) BETWEEN 1 AND 5)
);
--> statement-breakpoint
CREATE INDEX "webhook_deliveries_endpoint" ON "ducat"."webhook_deliveries" USING btree ("account_id","endpoint_id","id");
--> statement-breakpoint
CREATE INDEX "webhook_deliveries_failed" ON "ducat"."webhook_deliveries" USING btree ("account_id","endpoint_id","id") WHERE status = 'failed';
--> statement-breakpoint
CREATE INDEX "webhook_deliveries_id" ON "ducat"."webhook_deliveries" USING btree ("id");
--> statement-breakpoint
CREATE INDEX "webhook_deliveries_open" ON "ducat"."webhook_deliveries" USING btree ("account_id","endpoint_id","due_at") WHERE due_at IS NOT NULL;
--> statement-breakpoint
CREATE INDEX "webhook_deliveries_sending" ON "ducat"."webhook_deliveries" USING btree ("account_id","endpoint_id") WHERE status = 'sending';
--> statement-breakpoint
CREATE UNIQUE INDEX "webhook_endpoints_origin" ON "ducat"."webhook_endpoints" USING btree ("account_id","url") WHERE kind = 'origin';
--> statement-breakpoint
CREATE INDEX "webhook_endpoints_enabled" ON "ducat"."webhook_endpoints" USING btree ("account_id","id") WHERE kind = 'endpoint' AND status = 'enabled';
--> statement-breakpoint
CREATE INDEX "webhook_endpoints_due" ON "ducat"."webhook_endpoints" USING btree ("due_at") WHERE due_at IS NOT NULL AND failing_since IS NULL;
--> statement-breakpoint
CREATE INDEX "webhook_endpoints_due_failing" ON "ducat"."webhook_endpoints" USING btree ("due_at") WHERE due_at IS NOT NULL AND failing_since IS NOT NULL;
--> statement-breakpoint
CREATE INDEX "webhook_endpoints_idle" ON "ducat"."webhook_endpoints" USING btree ("served_at") WHERE kind = 'origin' OR status <> 'enabled';
