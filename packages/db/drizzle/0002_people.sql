CREATE TABLE "ducat"."api_keys" (
	"id" text PRIMARY KEY NOT NULL,
	"account_id" uuid,
	"name" text NOT NULL,
	"hash" "bytea" NOT NULL,
	"scopes" text[] NOT NULL,
	"created_by" text NOT NULL,
	"replaces" text,
	"expires_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "api_keys_id" CHECK (id ~ '^[0-9a-z]{8}$'),
	CONSTRAINT "api_keys_scopes" CHECK (cardinality(scopes) BETWEEN 1 AND 32),
	CONSTRAINT "api_keys_length" CHECK (length(name) BETWEEN 1 AND 100 AND length(created_by) <= 200)
);
--> statement-breakpoint
CREATE INDEX "api_keys_account" ON "ducat"."api_keys" USING btree ("account_id");
