-- Accounts whose clock was moved (test mode): what is due by it can't be found by the wall's time.
CREATE INDEX CONCURRENTLY IF NOT EXISTS credit_accounts_clock
ON ducat.credit_accounts (account_id) WHERE clock_offset <> '0';
