/** The product-description app's tables by its models, with people of Firebase's. */
export const copywriterDatabase = `
  CREATE TABLE subscription_plans (
    id varchar(50) PRIMARY KEY, name varchar(255) NOT NULL, price numeric(10, 2) NOT NULL,
    currency varchar(3) NOT NULL DEFAULT 'USD', billing_interval varchar(20) NOT NULL,
    credits_per_period int NOT NULL, lemon_squeezy_variant_id varchar(255) UNIQUE);
  CREATE TABLE user_subscriptions (
    id varchar(255) PRIMARY KEY, user_id varchar(255) NOT NULL, plan_id varchar(50) NOT NULL,
    status varchar(20) NOT NULL, current_period_start timestamptz NOT NULL,
    current_period_end timestamptz NOT NULL, cancel_at_period_end boolean NOT NULL DEFAULT false,
    lemon_squeezy_subscription_id varchar(255) UNIQUE, lemon_squeezy_customer_id varchar(255));
  CREATE TABLE user_credits (
    user_id varchar(255) PRIMARY KEY, current_credits int NOT NULL DEFAULT 0,
    total_credits_used int NOT NULL DEFAULT 0, next_credit_refill timestamptz,
    period_start timestamptz, period_end timestamptz, created_at timestamptz DEFAULT now());
  CREATE TABLE payment_history (
    id varchar(255) PRIMARY KEY, user_id varchar(255) NOT NULL, amount numeric(10, 2) NOT NULL,
    currency varchar(3) NOT NULL DEFAULT 'USD', status varchar(20) NOT NULL,
    lemon_squeezy_order_id varchar(255) UNIQUE, lemon_squeezy_customer_id varchar(255),
    transaction_type varchar(50) NOT NULL DEFAULT 'subscription',
    created_at timestamptz DEFAULT now(), processed_at timestamptz);
  CREATE TABLE usage_logs (
    id varchar(255) PRIMARY KEY, user_id varchar(255) NOT NULL, usage_type varchar(50) NOT NULL);

  INSERT INTO subscription_plans VALUES
    ('free', 'Free', 0, 'USD', 'month', 10, NULL),
    ('basic', 'Basic', 9.99, 'USD', 'month', 100, '4711'),
    ('pro', 'Pro', 29.99, 'USD', 'month', 1000, NULL);
  INSERT INTO user_credits (user_id, current_credits, next_credit_refill, period_end, created_at)
  VALUES
    ('uid-free', 7, now() + interval '9 days', now() + interval '9 days',
      now() - interval '51 days'),
    ('uid-up', 20, NULL, NULL, now()),
    ('uid-basic', 61, now() + interval '12 days', now() + interval '12 days', now()),
    ('uid-lapsed', 30, now() - interval '2 days', now() - interval '2 days', now()),
    ('uid-none', 0, NULL, NULL, now()), ('uid-"; DROP TABLE x; --', 3, NULL, NULL, now());
  INSERT INTO user_subscriptions VALUES
    ('us-1', 'uid-basic', 'basic', 'active', now() - interval '18 days',
      now() + interval '12 days', false, '9001', '77'),
    ('us-2', 'uid-lapsed', 'basic', 'expired', now() - interval '32 days',
      now() - interval '2 days', false, '9002', '78'),
    ('us-3', 'uid-payer', 'pro', 'active', now() - interval '1 day', now() + interval '29 days',
      false, '9003', '79'),
    ('us-4', 'uid-up', 'basic', 'active', now() - interval '18 days', now() + interval '12 days',
      false, '9004', '80');
  INSERT INTO payment_history VALUES
    ('ph-1', 'uid-basic', 9.99, 'USD', 'completed', '5001', '77', 'subscription',
      now() - interval '18 days', now() - interval '18 days'),
    ('ph-2', 'uid-basic', 19.90, 'USD', 'pending', '5002', '77', 'credits', now(), NULL),
    ('ph-3', 'uid-only-paid', 0.29, 'EUR', 'completed', NULL, NULL, 'credits', now(), now());
  INSERT INTO usage_logs
    SELECT 'ul-' || n, 'uid-free', 'ai_generation' FROM generate_series(1, 3) n;
`;
