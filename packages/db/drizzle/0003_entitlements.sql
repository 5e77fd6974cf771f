ALTER TABLE "ducat"."products" ADD COLUMN "limits" jsonb DEFAULT '{}' NOT NULL;
--> statement-breakpoint
CREATE TABLE "ducat"."albums" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"name" text NOT NULL,
	"description" text,
	"is_public" boolean DEFAULT false NOT NULL,
	"image_count" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "albums_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "albums_name_key" UNIQUE("account_id","name"),
	CONSTRAINT "albums_size" CHECK (length(name) BETWEEN 1 AND 200 AND length(description) <= 2000 AND image_count >= 0)
);
--> statement-breakpoint
CREATE TABLE "ducat"."images" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"kind" text NOT NULL,
	"blob_id" uuid NOT NULL,
	"thumbnail_id" uuid NOT NULL,
	"file_name" text,
	"is_public" boolean DEFAULT false NOT NULL,
	"tags" text[] DEFAULT '{}' NOT NULL,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"album_id" uuid,
	"generation_id" uuid,
	"item_id" uuid,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "images_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "images_blob_key" UNIQUE("account_id","blob_id"),
	CONSTRAINT "images_kind" CHECK (kind IN ('user', 'vendor', 'result')),
	CONSTRAINT "images_size" CHECK (length(file_name) <= 255 AND cardinality(tags) <= 20
        AND octet_length(metadata::text) <= 32768)
);
--> statement-breakpoint
ALTER TABLE "ducat"."blobs" DROP CONSTRAINT "blobs_purpose";
--> statement-breakpoint
CREATE INDEX "images_album" ON "ducat"."images" USING btree ("account_id","album_id","id") WHERE album_id IS NOT NULL;
--> statement-breakpoint
CREATE INDEX "images_public" ON "ducat"."images" USING btree ("account_id","id") WHERE is_public;
--> statement-breakpoint
CREATE INDEX "images_tags" ON "ducat"."images" USING gin ("tags");
--> statement-breakpoint
ALTER TABLE "ducat"."blobs" ADD CONSTRAINT "blobs_purpose" CHECK (purpose IN ('input', 'output', 'avatar', 'gallery', 'thumbnail'));--> statement-breakpoint
CREATE TABLE "ducat"."erased_identities" (
	"hmac" "bytea" PRIMARY KEY NOT NULL,
	"erased_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "ducat"."external_identities" ADD COLUMN "hmac" "bytea";
--> statement-breakpoint
CREATE TABLE "ducat"."feature_overrides" (
	"account_id" uuid NOT NULL,
	"feature" text NOT NULL,
	"value" jsonb NOT NULL,
	"expires_at" timestamp with time zone,
	"reason" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "feature_overrides_pkey" PRIMARY KEY("account_id","feature"),
	CONSTRAINT "feature_overrides_length" CHECK (length(feature) <= 50 AND length(reason) <= 500)
);
--> statement-breakpoint
CREATE TABLE "ducat"."usage_logs" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"event_id" text NOT NULL,
	"feature" text NOT NULL,
	"amount" bigint NOT NULL,
	"subject" text,
	"period_start" timestamp with time zone,
	"slices" jsonb,
	"result" jsonb,
	"released_at" timestamp with time zone,
	"release_result" jsonb,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "usage_logs_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "usage_logs_event" UNIQUE("account_id","event_id"),
	CONSTRAINT "usage_logs_bounds" CHECK (amount BETWEEN 1 AND 1000000000 AND length(event_id) BETWEEN 1 AND 255
        AND length(subject) <= 255)
);
--> statement-breakpoint
CREATE TABLE "ducat"."base_refills" (
	"account_id" uuid PRIMARY KEY NOT NULL,
	"product_id" uuid,
	"period_start" timestamp with time zone,
	"next_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "base_refills_due" ON "ducat"."base_refills" USING btree ("next_at");
--> statement-breakpoint
CREATE TABLE "ducat"."item_slots" (
	"account_id" uuid NOT NULL,
	"item_id" uuid NOT NULL,
	"generation_id" uuid NOT NULL,
	"is_waiting" boolean NOT NULL,
	CONSTRAINT "item_slots_pkey" PRIMARY KEY("account_id","item_id")
);
--> statement-breakpoint
CREATE INDEX "item_slots_line" ON "ducat"."item_slots" USING btree ("account_id","is_waiting","item_id");
--> statement-breakpoint
ALTER TABLE "ducat"."api_keys" ADD COLUMN "limit_per_minute" integer;
--> statement-breakpoint
ALTER TABLE "ducat"."api_keys" ADD CONSTRAINT "api_keys_limit" CHECK (limit_per_minute BETWEEN 1 AND 1000000);

--> statement-breakpoint
CREATE TABLE "ducat"."clock_runs" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"key" text NOT NULL,
	"fingerprint" "bytea" NOT NULL,
	"seconds" bigint NOT NULL,
	"until_offset" interval,
	"started_at" timestamp with time zone,
	"reached_at" timestamp with time zone,
	"step" integer DEFAULT 0 NOT NULL,
	"pending" jsonb,
	"ran" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"done_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "clock_runs_pkey" PRIMARY KEY("account_id","id"),
	CONSTRAINT "clock_runs_key" UNIQUE("account_id","key"),
	CONSTRAINT "clock_runs_limits" CHECK (seconds BETWEEN 0 AND 315360000 AND length(key) BETWEEN 1 AND 255)
);
--> statement-breakpoint
CREATE TABLE "ducat"."login_changes" (
	"login_id" uuid NOT NULL,
	"channel" text NOT NULL,
	"session_id" uuid NOT NULL,
	"address" text NOT NULL,
	"hash" "bytea" NOT NULL,
	"tries" integer DEFAULT 0 NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "login_changes_pkey" PRIMARY KEY("login_id","channel"),
	CONSTRAINT "login_changes_channel" CHECK (channel IN ('email', 'phone')),
	CONSTRAINT "login_changes_length" CHECK (length(address) <= 320 AND length(hash) = 32 AND tries BETWEEN 0 AND 5)
);
--> statement-breakpoint
ALTER TABLE "ducat"."login_changes" ADD CONSTRAINT "login_changes_login_id_logins_id_fk" FOREIGN KEY ("login_id") REFERENCES "ducat"."logins"("id") ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
CREATE INDEX "login_changes_expires_at" ON "ducat"."login_changes" USING btree ("expires_at");
--> statement-breakpoint
ALTER TABLE "ducat"."sessions" ADD COLUMN "parent_id" uuid;

--> statement-breakpoint
CREATE TABLE "ducat"."alert_settings" (
	"account_id" uuid PRIMARY KEY NOT NULL,
	"low_balance" bigint,
	"quota" boolean DEFAULT true NOT NULL,
	"expiring" boolean DEFAULT true NOT NULL,
	"messages" boolean DEFAULT true NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "alert_settings_low" CHECK (low_balance BETWEEN 1 AND 1000000000000)
);
--> statement-breakpoint
CREATE TABLE "ducat"."alert_states" (
	"account_id" uuid NOT NULL,
	"alert" text NOT NULL,
	"level" integer DEFAULT 0 NOT NULL,
	"mark" bigint,
	"seq" bigint,
	"at" timestamp with time zone,
	CONSTRAINT "alert_states_pkey" PRIMARY KEY("account_id","alert")
);
--> statement-breakpoint
CREATE TABLE "ducat"."alert_dues" (
	"account_id" uuid NOT NULL,
	"id" uuid DEFAULT ducat.uuid_v7() NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "alert_dues_pkey" PRIMARY KEY("account_id","id")
);
--> statement-breakpoint
ALTER TABLE "ducat"."generation_items" ADD COLUMN "output_removed_at" timestamp with time zone;
--> statement-breakpoint
CREATE TABLE "ducat"."active_accounts" (
	"account_id" uuid PRIMARY KEY NOT NULL,
	"seen_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "active_accounts_seen" ON "ducat"."active_accounts" USING btree ("seen_at");
