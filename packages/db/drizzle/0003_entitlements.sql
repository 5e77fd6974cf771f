ALTER TABLE "ducat"."products" ADD COLUMN "limits" jsonb DEFAULT '{}' NOT NULL;
