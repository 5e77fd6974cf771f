-- Custom SQL migration file, put your code below! --
--> statement-breakpoint
ALTER TABLE "ducat"."outbox" ADD COLUMN "seq" bigint DEFAULT 0;
--> statement-breakpoint
ALTER TABLE "ducat"."outbox" ALTER COLUMN "seq" SET DEFAULT NULL;
--> statement-breakpoint
ALTER TABLE "ducat"."generation_items" ADD COLUMN "ended_no" integer;
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
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "item_progress_pkey" PRIMARY KEY("account_id","item_id")
);
