/** The styling app's tables as its document has them, with users and vendors. */
export const stylistDatabase = `
  CREATE TABLE payment_plans (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL UNIQUE,
    display_name text NOT NULL, price_per_month_cents bigint NOT NULL DEFAULT 0,
    monthly_conversions_limit int NOT NULL DEFAULT 0, monthly_images_limit int NOT NULL DEFAULT 0,
    features text[] NOT NULL DEFAULT '{}', is_active boolean NOT NULL DEFAULT true);
  CREATE TABLE users (
    id uuid PRIMARY KEY, phone text NOT NULL UNIQUE, password_hash text NOT NULL,
    free_quota_remaining int NOT NULL DEFAULT 2, plan_id uuid REFERENCES payment_plans, name text,
    avatar_url text, bio text, is_phone_verified boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL DEFAULT true, last_login_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE vendors (
    id uuid PRIMARY KEY, phone text NOT NULL UNIQUE, password_hash text NOT NULL,
    free_gallery_remaining int NOT NULL DEFAULT 10, plan_id uuid REFERENCES payment_plans,
    profile_info jsonb NOT NULL DEFAULT '{}', business_name text NOT NULL, avatar_url text,
    bio text, contact_info jsonb NOT NULL DEFAULT '{}', social_links jsonb NOT NULL DEFAULT '{}',
    is_verified boolean NOT NULL DEFAULT false, is_active boolean NOT NULL DEFAULT true,
    last_login_at timestamptz, created_at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE user_conversions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL REFERENCES users,
    conversion_type text NOT NULL, input_file_url text NOT NULL DEFAULT 'x',
    style_name text NOT NULL DEFAULT 'x', status text NOT NULL DEFAULT 'pending',
    created_at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE images (
    id uuid PRIMARY KEY, user_id uuid REFERENCES users, vendor_id uuid REFERENCES vendors,
    type varchar(20) NOT NULL, file_name text NOT NULL, original_url text NOT NULL,
    thumbnail_url text, file_size bigint NOT NULL DEFAULT 1, mime_type text NOT NULL DEFAULT 'x',
    is_public boolean NOT NULL DEFAULT false, tags text[] DEFAULT '{}',
    metadata jsonb DEFAULT '{}', created_at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE albums (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), vendor_id uuid NOT NULL REFERENCES vendors,
    name text NOT NULL, description text, is_public boolean NOT NULL DEFAULT false,
    image_count int NOT NULL DEFAULT 0);
  CREATE TABLE payments (
    id uuid PRIMARY KEY, user_id uuid REFERENCES users, vendor_id uuid REFERENCES vendors,
    plan_id uuid NOT NULL REFERENCES payment_plans, amount bigint NOT NULL,
    currency text NOT NULL DEFAULT 'IRR', status text NOT NULL DEFAULT 'pending',
    payment_method text NOT NULL DEFAULT 'zarinpal', gateway text NOT NULL DEFAULT 'zarinpal',
    gateway_track_id text, gateway_ref_number text, gateway_card_number text,
    created_at timestamptz NOT NULL DEFAULT now(), paid_at timestamptz);

  INSERT INTO payment_plans (id, name, display_name, monthly_conversions_limit) VALUES
    ('a0000000-0000-4000-8000-000000000001', 'free', 'Free', 2),
    ('a0000000-0000-4000-8000-000000000002', 'basic', 'Basic', 20),
    ('a0000000-0000-4000-8000-000000000003', 'vendor_pro', 'Vendor Pro', 0);
  INSERT INTO users (id, phone, password_hash, free_quota_remaining, plan_id, name, avatar_url,
    is_phone_verified, is_active, created_at) VALUES
    ('b0000000-0000-4000-8000-000000000001', '09121234567', '$2a$10$x', 1,
      'a0000000-0000-4000-8000-000000000002', 'شیرین', 'https://cdn.example/avatar.png', true, true,
      now() - interval '100 days'),
    ('b0000000-0000-4000-8000-000000000002', '+989121234568', '$2a$10$x', 2, NULL, NULL, NULL,
      false, true, now()),
    ('b0000000-0000-4000-8000-000000000003', '09121234569', '$2a$10$x', 0,
      'a0000000-0000-4000-8000-000000000002', 'Lapsed', NULL, true, false, now());
  INSERT INTO vendors (id, phone, password_hash, plan_id, business_name, contact_info,
    social_links, profile_info, is_verified) VALUES
    ('c0000000-0000-4000-8000-000000000001', '09121234567', '$2a$10$x',
      'a0000000-0000-4000-8000-000000000003', 'گل‌فروشی',
      '{"email": "shop@example.com", "fax": "12", "website": "javascript:alert(1)"}',
      '{"instagram": "https://instagram.example/x", "bad one": "https://x.example"}',
      '{"description": "Flowers"}', true);
  INSERT INTO user_conversions (user_id, conversion_type, status, created_at) VALUES
    ('b0000000-0000-4000-8000-000000000001', 'paid', 'completed', now() - interval '1 day'),
    ('b0000000-0000-4000-8000-000000000001', 'paid', 'failed', now() - interval '1 day'),
    ('b0000000-0000-4000-8000-000000000001', 'paid', 'completed', now() - interval '20 days'),
    ('b0000000-0000-4000-8000-000000000001', 'free', 'completed', now() - interval '60 days');
  INSERT INTO payments (id, user_id, vendor_id, plan_id, amount, status, gateway_track_id,
    gateway_ref_number, gateway_card_number, paid_at) VALUES
    ('d0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001', NULL,
      'a0000000-0000-4000-8000-000000000002', 50000, 'completed', 'A0001', '201',
      '6037991234567890', now() - interval '5 days'),
    ('d0000000-0000-4000-8000-000000000002', 'b0000000-0000-4000-8000-000000000001', NULL,
      'a0000000-0000-4000-8000-000000000002', 50000, 'failed', 'A0002', NULL, NULL, NULL),
    ('d0000000-0000-4000-8000-000000000003', 'b0000000-0000-4000-8000-000000000003', NULL,
      'a0000000-0000-4000-8000-000000000002', 50000, 'completed', 'A0003', '203',
      '603799******7890', now() - interval '50 days'),
    ('d0000000-0000-4000-8000-000000000004', NULL, 'c0000000-0000-4000-8000-000000000001',
      'a0000000-0000-4000-8000-000000000003', 100000, 'completed', 'A0004', '204', NULL,
      now() - interval '5 days');
  INSERT INTO albums (vendor_id, name) VALUES
    ('c0000000-0000-4000-8000-000000000001', 'Weddings'),
    ('c0000000-0000-4000-8000-000000000001', 'Weddings'),
    ('c0000000-0000-4000-8000-000000000001', '  ');
`;

/** A picture of each kind at a server's address. */
export const stylistImages = (origin: string) => `
  INSERT INTO images (id, user_id, vendor_id, type, file_name, original_url, is_public, tags,
    metadata) VALUES
    ('e0000000-0000-4000-8000-000000000001', NULL, 'c0000000-0000-4000-8000-000000000001',
      'vendor', 'roses.png', '${origin}/good.png', true, '{Roses,RED,roses}', '{"room": 1}'),
    ('e0000000-0000-4000-8000-000000000002', 'b0000000-0000-4000-8000-000000000001', NULL, 'result',
      'r.png', '${origin}/good.png?2', false, NULL, NULL),
    ('e0000000-0000-4000-8000-000000000003', 'b0000000-0000-4000-8000-000000000001', NULL, 'user',
      'x', '${origin}/missing.png', false, '{}', '[]'),
    ('e0000000-0000-4000-8000-000000000004', 'b0000000-0000-4000-8000-000000000001', NULL, 'user',
      'x', 'http://169.254.169.254/latest/meta-data', false, '{}', '{}'),
    ('e0000000-0000-4000-8000-000000000005', 'b0000000-0000-4000-8000-000000000001', NULL, 'user',
      'x', '${origin}/late.png', false, '{}', '{}');
`;
