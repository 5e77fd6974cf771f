/** The landscape app's tables as they are documented, with people of all kinds. */
export const landscapeDatabase = `
  CREATE TABLE users (
    id uuid PRIMARY KEY, email text UNIQUE, firebase_uid text UNIQUE,
    stripe_customer_id text UNIQUE, trial_remaining int NOT NULL CHECK (trial_remaining >= 0),
    trial_used int NOT NULL DEFAULT 0 CHECK (trial_used >= 0),
    subscription_tier text NOT NULL DEFAULT 'free'
      CHECK (subscription_tier IN ('free', '7day_pass', 'per_property', 'monthly_pro')),
    subscription_status text NOT NULL DEFAULT 'inactive'
      CHECK (subscription_status IN ('inactive', 'active', 'past_due', 'cancelled')),
    created_at timestamptz NOT NULL DEFAULT '2025-03-31T10:00:00Z');
  CREATE TABLE users_token_accounts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL UNIQUE REFERENCES users,
    balance int NOT NULL DEFAULT 0 CHECK (balance >= 0),
    auto_reload_enabled boolean NOT NULL DEFAULT false,
    auto_reload_threshold int, auto_reload_amount int);
  CREATE TABLE users_token_transactions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL REFERENCES users,
    amount int NOT NULL, transaction_type text NOT NULL, description text,
    stripe_payment_intent_id text UNIQUE);
  CREATE TABLE generations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL REFERENCES users,
    status text NOT NULL, payment_type text, image_urls text[]);
  CREATE TABLE profiles (id uuid PRIMARY KEY, full_name text, avatar_url text);
  CREATE TABLE subscriptions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL REFERENCES users,
    stripe_subscription_id text UNIQUE, status text NOT NULL,
    current_period_start timestamptz, current_period_end timestamptz);
  CREATE TABLE styles (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL, description text,
    prompt_template text, gemini_config jsonb, is_active boolean NOT NULL DEFAULT true);
  CREATE TABLE admin_config (key text PRIMARY KEY, value jsonb, requires_admin boolean);

  INSERT INTO users (id, email, firebase_uid, stripe_customer_id, trial_remaining,
    subscription_tier, subscription_status) VALUES
    ('00000000-0000-4000-8000-000000000001', 'Ada@Example.com', 'fb-ada', 'cus_ada', 2, 'free',
      'inactive'),
    ('00000000-0000-4000-8000-000000000002', 'ada@example.com', 'fb-twin', NULL, 1, 'free',
      'inactive'),
    ('00000000-0000-4000-8000-000000000003', NULL, 'fb-nomail', NULL, 0, 'free', 'inactive'),
    ('00000000-0000-4000-8000-000000000004', 'pro@example.com', 'fb-pro', 'cus_pro', 0,
      'monthly_pro', 'active'),
    ('00000000-0000-4000-8000-000000000005', 'pass@example.com', 'fb-pass', NULL, 0, '7day_pass',
      'active'),
    ('00000000-0000-4000-8000-000000000006', 'gone@example.com', 'fb-gone', NULL, 3,
      'monthly_pro', 'cancelled'),
    ('00000000-0000-4000-8000-000000000007', 'نادر@مثال', 'fb-💐', NULL, 3, 'free', 'inactive');
  INSERT INTO users_token_accounts (user_id, balance) VALUES
    ('00000000-0000-4000-8000-000000000001', 47), ('00000000-0000-4000-8000-000000000002', 5),
    ('00000000-0000-4000-8000-000000000003', 0), ('00000000-0000-4000-8000-000000000004', 120);
  INSERT INTO users_token_transactions (user_id, amount, transaction_type,
    stripe_payment_intent_id) VALUES
    ('00000000-0000-4000-8000-000000000001', 50, 'purchase', 'pi_1'),
    ('00000000-0000-4000-8000-000000000001', -1, 'generation', NULL);
  INSERT INTO generations (user_id, status) VALUES
    ('00000000-0000-4000-8000-000000000001', 'completed'),
    ('00000000-0000-4000-8000-000000000001', 'completed'),
    ('00000000-0000-4000-8000-000000000001', 'failed');
  INSERT INTO profiles VALUES
    ('00000000-0000-4000-8000-000000000001', '  Ada "=1+1" Lovelace ', 'https://cdn.example/a.png'),
    ('00000000-0000-4000-8000-000000000007', repeat('ن', 300), NULL);
  INSERT INTO subscriptions (user_id, stripe_subscription_id, status, current_period_start,
    current_period_end) VALUES
    ('00000000-0000-4000-8000-000000000004', 'sub_pro', 'active', now() - interval '10 days',
      now() + interval '20 days'),
    ('00000000-0000-4000-8000-000000000005', NULL, 'active', now() - interval '2 days',
      now() + interval '5 days');
  INSERT INTO styles (name, description, prompt_template, is_active) VALUES
    ('Modern Minimalist', 'here already', 'x', true),
    ('English Wilderness', 'roses', 'A wild garden. {label}', true),
    ('Retired', '', 'x', false), ('***', 'no name', 'x', true);
  INSERT INTO admin_config VALUES ('trial_credit_count', '5', true), ('nonsense', '"many"', true);
`;

/** The API in front of it. */
export const generationDatabase = `
  CREATE TABLE users (
    id uuid PRIMARY KEY, email text NOT NULL, trial_credits int NOT NULL,
    email_verified boolean NOT NULL, password_hash text);
  CREATE TABLE token_accounts (id bigserial PRIMARY KEY, user_id uuid UNIQUE, balance bigint);
  CREATE TABLE generations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid, status text, credit_type text);
  INSERT INTO users VALUES
    ('10000000-0000-4000-8000-000000000001', 'argon@example.com', 3, true,
      '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhh'),
    ('10000000-0000-4000-8000-000000000002', 'bcrypt@example.com', 0, false,
      '$2b$12$abcdefghijklmnopqrstuuFgHiJkLmNoPqRsTuVwXyZ0123456789'),
    ('10000000-0000-4000-8000-000000000003', 'bomb@example.com', 0, true,
      '$argon2id$v=19$m=999999,t=99,p=9$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhh'),
    ('10000000-0000-4000-8000-000000000004', 'minus@example.com', -2, true, NULL);
  INSERT INTO token_accounts (user_id, balance) VALUES
    ('10000000-0000-4000-8000-000000000001', 4), ('10000000-0000-4000-8000-000000000002', 11);
  INSERT INTO generations (user_id, status) VALUES
    ('10000000-0000-4000-8000-000000000002', 'failed');
`;
