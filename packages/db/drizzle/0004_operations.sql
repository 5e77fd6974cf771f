-- Custom SQL migration file, put your code below! --
--> statement-breakpoint
ALTER TABLE "ducat"."admin_config" ADD COLUMN "updated_by" text;
--> statement-breakpoint
ALTER TABLE "ducat"."styles" ADD COLUMN "published_by" text;
--> statement-breakpoint
CREATE TABLE "ducat"."catalog_versions" (
	"version" integer PRIMARY KEY NOT NULL,
	"catalog" text NOT NULL,
	"document" json,
	"rows" jsonb NOT NULL,
	"changes" jsonb NOT NULL,
	"pushed_by" text NOT NULL,
	"pushed_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ducat"."queue_tickets" (
	"hash" "bytea" PRIMARY KEY NOT NULL,
	"actor" text NOT NULL,
	"session_id" uuid,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ducat"."upkeep_tasks" (
	"name" text PRIMARY KEY NOT NULL,
	"about" text NOT NULL,
	"every_s" double precision NOT NULL,
	"is_parallel" boolean DEFAULT false NOT NULL,
	"next_due_at" timestamp with time zone NOT NULL,
	"requested_at" timestamp with time zone,
	"requested_by" text,
	"lease_token" uuid,
	"lease_until" timestamp with time zone,
	"is_open" boolean DEFAULT false NOT NULL,
	"cursor" jsonb,
	"started_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	"ok_at" timestamp with time zone,
	"error" text,
	"done" bigint DEFAULT 0 NOT NULL,
	"done_total" bigint DEFAULT 0 NOT NULL,
	"runs" bigint DEFAULT 0 NOT NULL,
	"failures" bigint DEFAULT 0 NOT NULL,
	"failures_in_row" integer DEFAULT 0 NOT NULL,
	"seen_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "upkeep_tasks_limits" CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,63}$' AND length(about) <= 500 AND every_s > 0
        AND length(error) <= 500 AND octet_length(cursor::text) <= 8192)
);
--> statement-breakpoint
CREATE TABLE "ducat"."usage_rollups" (
	"account_id" uuid NOT NULL,
	"day" date NOT NULL,
	"hour" smallint NOT NULL,
	"source" text NOT NULL,
	"style_id" text NOT NULL,
	"style_version" integer NOT NULL,
	"model" text NOT NULL,
	"feature" text NOT NULL,
	"language" text NOT NULL,
	"category" text NOT NULL,
	"is_batch" boolean NOT NULL,
	"completed" bigint DEFAULT 0 NOT NULL,
	"failed" bigint DEFAULT 0 NOT NULL,
	"canceled" bigint DEFAULT 0 NOT NULL,
	"amount" bigint DEFAULT 0 NOT NULL,
	"charged" bigint DEFAULT 0 NOT NULL,
	"paid_back" bigint DEFAULT 0 NOT NULL,
	"input_tokens" bigint DEFAULT 0 NOT NULL,
	"output_tokens" bigint DEFAULT 0 NOT NULL,
	"response_count" bigint DEFAULT 0 NOT NULL,
	"response_ms" bigint DEFAULT 0 NOT NULL,
	"response_ms_max" bigint DEFAULT 0 NOT NULL,
	"response_buckets" bigint[] NOT NULL,
	"costed" bigint DEFAULT 0 NOT NULL,
	"provider_cost_micros" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "usage_rollups_pkey" PRIMARY KEY("account_id","day","hour","source","style_id","style_version","model","feature","language","category","is_batch"),
	CONSTRAINT "usage_rollups_hour" CHECK (hour BETWEEN 0 AND 24)
);
--> statement-breakpoint
CREATE INDEX "usage_rollups_day" ON "ducat"."usage_rollups" USING btree ("day","hour","account_id");
--> statement-breakpoint
CREATE TABLE "ducat"."revenue_rollups" (
	"account_id" uuid NOT NULL,
	"day" date NOT NULL,
	"hour" smallint NOT NULL,
	"style_id" text NOT NULL,
	"style_version" integer NOT NULL,
	"model" text NOT NULL,
	"currency" text NOT NULL,
	"amount_micros" numeric NOT NULL,
	CONSTRAINT "revenue_rollups_pkey" PRIMARY KEY("account_id","day","hour","style_id","style_version","model","currency"),
	CONSTRAINT "revenue_rollups_hour" CHECK (hour BETWEEN 0 AND 24)
);
--> statement-breakpoint
CREATE INDEX "revenue_rollups_day" ON "ducat"."revenue_rollups" USING btree ("day","hour");
--> statement-breakpoint
CREATE TABLE "ducat"."stat_rollups" (
	"day" date NOT NULL,
	"hour" smallint NOT NULL,
	"name" text NOT NULL,
	"labels" jsonb NOT NULL,
	"value" numeric NOT NULL,
	CONSTRAINT "stat_rollups_pkey" PRIMARY KEY("day","hour","name","labels"),
	CONSTRAINT "stat_rollups_hour" CHECK (hour BETWEEN 0 AND 24)
);
--> statement-breakpoint
CREATE INDEX "stat_rollups_name" ON "ducat"."stat_rollups" USING btree ("name","day");
--> statement-breakpoint
CREATE TABLE "ducat"."rollup_hours" (
	"hour" timestamp with time zone PRIMARY KEY NOT NULL,
	"computed_at" timestamp with time zone NOT NULL,
	"open" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ducat"."rollup_days" (
	"day" date PRIMARY KEY NOT NULL,
	"computed_at" timestamp with time zone DEFAULT '-infinity' NOT NULL,
	"is_final" boolean DEFAULT false NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ducat"."rollup_dirty_days" (
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"scope" text NOT NULL,
	"account_id" uuid,
	"from_day" date NOT NULL,
	"to_day" date,
	"reason" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "rollup_dirty_days_scope" CHECK (scope IN ('usage', 'day', 'all') AND (scope = 'usage') = (account_id IS NOT NULL))
);
--> statement-breakpoint
CREATE INDEX "rollup_dirty_days_account" ON "ducat"."rollup_dirty_days" USING btree ("account_id");
--> statement-breakpoint
CREATE TABLE "ducat"."import_rows" (
	"source" text NOT NULL,
	"row_key" text NOT NULL,
	"account_id" uuid NOT NULL,
	"checksums" jsonb,
	"credits" jsonb NOT NULL,
	"history" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "import_rows_pkey" PRIMARY KEY("source","row_key"),
	CONSTRAINT "import_rows_length" CHECK (length(source) <= 30 AND length(row_key) <= 260)
);
--> statement-breakpoint
CREATE TABLE "ducat"."import_files" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"source" text NOT NULL,
	"row_key" text NOT NULL,
	"purpose" text NOT NULL,
	"url" text NOT NULL,
	"details" jsonb NOT NULL,
	"status" text DEFAULT 'waiting' NOT NULL,
	"tries" integer DEFAULT 0 NOT NULL,
	"error" text,
	"due_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"blob_id" uuid,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "import_files_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "import_files_row" UNIQUE("source","row_key"),
	CONSTRAINT "import_files_purpose" CHECK (purpose IN ('image', 'avatar')),
	CONSTRAINT "import_files_status" CHECK (status IN ('waiting', 'done', 'failed')),
	CONSTRAINT "import_files_length" CHECK (length(url) <= 2048 AND length(row_key) <= 260)
);
--> statement-breakpoint
CREATE INDEX "import_rows_account" ON "ducat"."import_rows" USING btree ("account_id");
--> statement-breakpoint
CREATE INDEX "import_files_due" ON "ducat"."import_files" USING btree ("source","due_at") WHERE status = 'waiting';
--> statement-breakpoint
CREATE UNIQUE INDEX "import_files_avatar" ON "ducat"."import_files" USING btree ("account_id") WHERE purpose = 'avatar';
