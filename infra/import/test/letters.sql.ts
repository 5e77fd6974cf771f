/** The letter service's tables, as Prisma makes them: times have no zone. */
export const lettersDatabase = `
  CREATE TYPE plan AS ENUM ('free', 'pro', 'enterprise', 'lifetime');
  CREATE TABLE "User" (
    id text PRIMARY KEY, email text NOT NULL UNIQUE, name text,
    "createdAt" timestamp(3) NOT NULL DEFAULT '2025-11-17T14:04:29');
  CREATE TABLE subscriptions (
    id text PRIMARY KEY, user_id text NOT NULL REFERENCES "User", plan plan NOT NULL,
    status text NOT NULL, stripe_subscription_id text UNIQUE, stripe_customer_id text,
    stripe_price_id text, current_period_start timestamp(3), current_period_end timestamp(3),
    cancel_at_period_end boolean NOT NULL DEFAULT false, trial_end timestamp(3));
  CREATE TABLE subscription_usage (
    id text PRIMARY KEY, user_id text NOT NULL REFERENCES "User", period date NOT NULL,
    letters_created int NOT NULL DEFAULT 0, emails_sent int NOT NULL DEFAULT 0,
    mail_credits int NOT NULL DEFAULT 0, UNIQUE (user_id, period));
  CREATE TABLE payments (
    id text PRIMARY KEY, user_id text NOT NULL REFERENCES "User", type text NOT NULL,
    status text NOT NULL, amount int NOT NULL, currency text NOT NULL DEFAULT 'usd',
    stripe_payment_intent_id text UNIQUE, created_at timestamp(3) NOT NULL);
  CREATE TABLE letters (id text PRIMARY KEY, user_id text NOT NULL, created_at timestamp(3));
  CREATE TABLE pricing_plans (
    id text PRIMARY KEY, plan plan NOT NULL, interval text NOT NULL, stripe_price_id text);

  INSERT INTO "User" (id, email, name) VALUES
    ('free', 'free@letters.example', 'Frida'), ('month', 'month@letters.example', NULL),
    ('year', 'year@letters.example', 'Y' || chr(10) || 'ear'),
    ('trial', 'trial@letters.example', ''), ('team', 'team@letters.example', 'Team'),
    ('quit', 'quit@letters.example', 'Quit'), ('odd', 'odd@letters.example', 'Odd'),
    (repeat('x', 300), 'long@letters.example', 'Long');
  INSERT INTO subscriptions VALUES
    ('s1', 'month', 'pro', 'active', 'sub_month', 'cus_month', 'price_m',
      now() - interval '3 days', now() + interval '27 days', false, NULL),
    ('s2', 'year', 'pro', 'active', 'sub_year', 'cus_year', NULL,
      now() - interval '40 days', now() + interval '325 days', false, NULL),
    ('s3', 'trial', 'pro', 'trialing', 'sub_trial', 'cus_trial', 'price_m',
      now() - interval '3 days', now() + interval '11 days', false, now() + interval '11 days'),
    ('s4', 'team', 'enterprise', 'active', NULL, NULL, NULL, NULL, NULL, false, NULL),
    ('s5', 'quit', 'pro', 'canceled', 'sub_quit', 'cus_quit', 'price_m',
      now() - interval '20 days', now() + interval '10 days', true, NULL),
    ('s6', 'odd', 'lifetime', 'active', 'sub_odd', 'cus_odd', 'price_l',
      now() - interval '20 days', now() + interval '10 days', false, NULL),
    ('s0', 'month', 'pro', 'canceled', 'sub_before', 'cus_month', 'price_m',
      now() - interval '90 days', now() - interval '60 days', false, NULL);
  INSERT INTO subscription_usage VALUES
    ('u1', 'month', date_trunc('month', now()), 4, 9, 12),
    ('u0', 'month', date_trunc('month', now()) - interval '1 month', 3, 3, 99),
    ('u2', 'year', date_trunc('month', now()), 0, 0, 1);
  INSERT INTO payments VALUES
    ('p1', 'month', 'subscription', 'succeeded', 900, 'usd', 'pi_m1', now() - interval '3 days'),
    ('p2', 'month', 'shipping_addon', 'refunded', 1500, 'usd', 'pi_m2', now() - interval '9 days'),
    ('p3', 'month', 'subscription', 'failed', 900, 'usd', 'pi_m3', now() - interval '9 days');
  INSERT INTO letters SELECT 'l' || n, 'free', now() FROM generate_series(1, 4) n;
  INSERT INTO letters VALUES ('old', 'free', now() - interval '40 days');
  INSERT INTO pricing_plans VALUES
    ('1', 'pro', 'month', 'price_m'), ('2', 'pro', 'year', 'price_y');
`;
