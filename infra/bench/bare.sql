-- The bare side of the comparisons: plain tables of its own, without row security, checks,
-- triggers or a second index. A spend does nothing but one UPDATE and one INSERT.
CREATE SCHEMA bare;
CREATE TABLE bare.accounts (
  id uuid PRIMARY KEY,
  balance bigint NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE bare.entries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id uuid NOT NULL,
  amount bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO bare.accounts SELECT account_id, available FROM ducat.credit_accounts;

-- Spend p_amount and return what is left.
CREATE FUNCTION bare.spend(p_account_id uuid, p_amount bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_balance bigint;
BEGIN
  UPDATE bare.accounts SET balance = balance - p_amount WHERE id = p_account_id
  RETURNING balance INTO v_balance;
  INSERT INTO bare.entries (account_id, amount) VALUES (p_account_id, -p_amount);
  RETURN v_balance;
END $$;

-- What the lists are read from: one row per line of the list, found by one key.
CREATE TABLE bare.transactions (
  account_id uuid,
  seq bigint,
  type text,
  amount bigint,
  balance_after bigint,
  created_at timestamptz,
  PRIMARY KEY (account_id, seq)
);
INSERT INTO bare.transactions
SELECT account_id, seq, type, amount, available_after, created_at FROM ducat.credit_entries;
CREATE TABLE bare.works (
  account_id uuid,
  id uuid,
  style text,
  status text,
  input json,
  output json,
  cost bigint,
  created_at timestamptz,
  PRIMARY KEY (account_id, id)
);
INSERT INTO bare.works
SELECT g.account_id, g.id, g.style_id, g.status, g.input, i.output, g.cost, g.created_at
FROM ducat.generations g
JOIN ducat.generation_items i ON i.account_id = g.account_id AND i.generation_id = g.id;

GRANT USAGE ON SCHEMA bare TO ducat_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA bare TO ducat_app;
