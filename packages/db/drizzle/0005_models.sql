-- Custom SQL migration file, put your code below! --
--> statement-breakpoint
ALTER TABLE "ducat"."styles" ADD COLUMN "pricing" jsonb;
--> statement-breakpoint
ALTER TABLE "ducat"."styles" ADD COLUMN "fallbacks" jsonb DEFAULT '[]'::jsonb NOT NULL;
--> statement-breakpoint
ALTER TABLE "ducat"."styles" ADD COLUMN "cache_days" integer DEFAULT 0 NOT NULL;
--> statement-breakpoint
ALTER TABLE "ducat"."generations" ADD COLUMN "terms" json;
--> statement-breakpoint
ALTER TABLE "ducat"."generations" ADD COLUMN "batch" json;
--> statement-breakpoint
ALTER TABLE "ducat"."generation_items" ADD COLUMN "charge" jsonb;
--> statement-breakpoint
ALTER TABLE "ducat"."generation_items" ADD COLUMN "result_key" "bytea";

--> statement-breakpoint
CREATE TABLE "ducat"."provider_budgets" (
	"provider" text NOT NULL,
	"day" date NOT NULL,
	"taken_micros" bigint DEFAULT 0 NOT NULL,
	"spent_micros" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "provider_budgets_provider_day_pk" PRIMARY KEY("provider","day"),
	CONSTRAINT "provider_budgets_limits" CHECK (provider ~ '^[a-z][a-z0-9_-]{0,39}$' AND spent_micros >= 0
        AND taken_micros >= spent_micros)
);
