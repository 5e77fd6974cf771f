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
--> statement-breakpoint
CREATE TABLE "ducat"."account_logins" (
	"account_id" uuid NOT NULL,
	"login_id" uuid NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "account_logins_pkey" PRIMARY KEY("account_id")
);
--> statement-breakpoint
CREATE TABLE "ducat"."login_credentials" (
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"login_id" uuid NOT NULL,
	"provider_id" text NOT NULL,
	"provider_account_id" text NOT NULL,
	"password" text,
	"access_token" text,
	"refresh_token" text,
	"id_token" text,
	"access_token_expires_at" timestamp with time zone,
	"refresh_token_expires_at" timestamp with time zone,
	"scope" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "login_credentials_once" UNIQUE("login_id","provider_id"),
	CONSTRAINT "login_credentials_no_tokens" CHECK (access_token IS NULL AND refresh_token IS NULL AND id_token IS NULL)
);
--> statement-breakpoint
CREATE TABLE "ducat"."logins" (
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"name" text DEFAULT '' NOT NULL,
	"email" text,
	"email_verified" boolean DEFAULT false NOT NULL,
	"phone" text,
	"image" text,
	"verified_at" timestamp with time zone,
	"role" text DEFAULT 'user' NOT NULL,
	"banned_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "logins_email_key" UNIQUE("email"),
	CONSTRAINT "logins_phone_key" UNIQUE("phone"),
	CONSTRAINT "logins_role" CHECK (role IN ('user', 'support', 'admin')),
	CONSTRAINT "logins_length" CHECK (length(name) <= 200 AND length(email) <= 320 AND length(phone) <= 32)
);
--> statement-breakpoint
CREATE TABLE "ducat"."rate_limits" (
	"key" text PRIMARY KEY NOT NULL,
	"taken" integer NOT NULL,
	"resets_at" timestamp with time zone NOT NULL,
	CONSTRAINT "rate_limits_key" CHECK (length(key) BETWEEN 1 AND 200 AND taken >= 0)
);
--> statement-breakpoint
CREATE TABLE "ducat"."session_tokens" (
	"session_id" uuid NOT NULL,
	"generation" integer NOT NULL,
	"access_hash" "bytea" NOT NULL,
	"refresh_hash" "bytea" NOT NULL,
	"access_expires_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "session_tokens_pkey" PRIMARY KEY("session_id","generation"),
	CONSTRAINT "session_tokens_hash" CHECK (length(access_hash) = 32 AND length(refresh_hash) = 32)
);
--> statement-breakpoint
CREATE TABLE "ducat"."sessions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"login_id" uuid NOT NULL,
	"account_id" uuid NOT NULL,
	"generation" integer DEFAULT 1 NOT NULL,
	"user_agent" text,
	"ip" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"refreshed_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone,
	"end_reason" text,
	CONSTRAINT "sessions_length" CHECK (length(user_agent) <= 300 AND length(ip) <= 64)
);
--> statement-breakpoint
CREATE TABLE "ducat"."trial_identities" (
	"hmac" "bytea" PRIMARY KEY NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ducat"."verifications" (
	"id" uuid PRIMARY KEY DEFAULT ducat.uuid_v7() NOT NULL,
	"identifier" text NOT NULL,
	"value" text NOT NULL,
	"password" text,
	"expires_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "ducat"."login_credentials" ADD CONSTRAINT "login_credentials_login_id_logins_id_fk" FOREIGN KEY ("login_id") REFERENCES "ducat"."logins"("id") ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE "ducat"."session_tokens" ADD CONSTRAINT "session_tokens_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "ducat"."sessions"("id") ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
CREATE INDEX "account_logins_login" ON "ducat"."account_logins" USING btree ("login_id");
--> statement-breakpoint
CREATE INDEX "rate_limits_resets_at" ON "ducat"."rate_limits" USING btree ("resets_at");
--> statement-breakpoint
CREATE INDEX "sessions_login" ON "ducat"."sessions" USING btree ("login_id");
--> statement-breakpoint
CREATE INDEX "sessions_account" ON "ducat"."sessions" USING btree ("account_id");
--> statement-breakpoint
CREATE INDEX "verifications_identifier" ON "ducat"."verifications" USING btree ("identifier");
--> statement-breakpoint
CREATE INDEX "verifications_value" ON "ducat"."verifications" USING btree ("value");
--> statement-breakpoint
CREATE INDEX "verifications_expires_at" ON "ducat"."verifications" USING btree ("expires_at");
--> statement-breakpoint
ALTER TABLE "ducat"."messages" ADD COLUMN "recipient" text;
--> statement-breakpoint
ALTER TABLE "ducat"."messages" ADD COLUMN "has_secret" boolean DEFAULT false NOT NULL;
--> statement-breakpoint
CREATE TABLE "ducat"."external_identities" (
	"issuer" text NOT NULL,
	"subject" text NOT NULL,
	"account_id" uuid NOT NULL,
	"verified_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "external_identities_pkey" PRIMARY KEY("issuer","subject"),
	CONSTRAINT "external_identities_length" CHECK (length(issuer) BETWEEN 1 AND 255 AND length(subject) BETWEEN 1 AND 255)
);
--> statement-breakpoint
CREATE INDEX "external_identities_account" ON "ducat"."external_identities" USING btree ("account_id");
--> statement-breakpoint
CREATE TABLE "ducat"."login_codes" (
	"phone" text NOT NULL,
	"purpose" text NOT NULL,
	"hash" "bytea" NOT NULL,
	"tries" integer DEFAULT 0 NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "login_codes_pkey" PRIMARY KEY("phone","purpose"),
	CONSTRAINT "login_codes_purpose" CHECK (purpose IN ('phone_verify', 'login', 'password_reset')),
	CONSTRAINT "login_codes_length" CHECK (length(phone) <= 32 AND length(hash) = 32 AND tries BETWEEN 0 AND 5)
);
--> statement-breakpoint
CREATE TABLE "ducat"."login_totps" (
	"login_id" uuid NOT NULL,
	"secret" "bytea" NOT NULL,
	"active_at" timestamp with time zone,
	"last_step" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "login_totps_pkey" PRIMARY KEY("login_id"),
	CONSTRAINT "login_totps_length" CHECK (length(secret) BETWEEN 32 AND 200)
);
--> statement-breakpoint
CREATE TABLE "ducat"."totp_backup_codes" (
	"login_id" uuid NOT NULL,
	"hash" "bytea" NOT NULL,
	CONSTRAINT "totp_backup_codes_pkey" PRIMARY KEY("login_id","hash"),
	CONSTRAINT "totp_backup_codes_hash" CHECK (length(hash) = 32)
);
--> statement-breakpoint
CREATE TABLE "ducat"."totp_challenges" (
	"hash" "bytea" PRIMARY KEY NOT NULL,
	"login_id" uuid NOT NULL,
	"account_id" uuid NOT NULL,
	"password" text,
	"tries" integer DEFAULT 0 NOT NULL,
	"passed_at" timestamp with time zone,
	"expires_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "totp_challenges_tries" CHECK (length(hash) = 32 AND tries BETWEEN 0 AND 5)
);
--> statement-breakpoint
ALTER TABLE "ducat"."login_totps" ADD CONSTRAINT "login_totps_login_id_logins_id_fk" FOREIGN KEY ("login_id") REFERENCES "ducat"."logins"("id") ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE "ducat"."totp_backup_codes" ADD CONSTRAINT "totp_backup_codes_login_id_logins_id_fk" FOREIGN KEY ("login_id") REFERENCES "ducat"."logins"("id") ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE "ducat"."totp_challenges" ADD CONSTRAINT "totp_challenges_login_id_logins_id_fk" FOREIGN KEY ("login_id") REFERENCES "ducat"."logins"("id") ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
CREATE INDEX "login_codes_expires_at" ON "ducat"."login_codes" USING btree ("expires_at");
--> statement-breakpoint
CREATE INDEX "totp_challenges_login" ON "ducat"."totp_challenges" USING btree ("login_id");
--> statement-breakpoint
CREATE INDEX "totp_challenges_expires_at" ON "ducat"."totp_challenges" USING btree ("expires_at");
--> statement-breakpoint
CREATE TABLE "ducat"."vendors" (
	"account_id" uuid PRIMARY KEY NOT NULL,
	"business_name" text NOT NULL,
	"profile_info" text,
	"contact_info" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"social_links" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"verified_at" timestamp with time zone,
	"verified_by" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "vendors_length" CHECK (length(business_name) BETWEEN 1 AND 200 AND length(profile_info) <= 4000
        AND octet_length(contact_info::text) <= 16384
        AND octet_length(social_links::text) <= 65536)
);
--> statement-breakpoint
ALTER TABLE "ducat"."accounts" ADD COLUMN "erased_at" timestamp with time zone;
--> statement-breakpoint
ALTER TABLE "ducat"."blobs" DROP CONSTRAINT "blobs_purpose";
--> statement-breakpoint
ALTER TABLE "ducat"."blobs" ADD CONSTRAINT "blobs_purpose" CHECK (purpose IN ('input', 'output', 'avatar'));
