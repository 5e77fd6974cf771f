-- Accounts that were erased, which are few: for statistics.
CREATE INDEX CONCURRENTLY IF NOT EXISTS accounts_erased
ON ducat.accounts (erased_at) WHERE erased_at IS NOT NULL;
