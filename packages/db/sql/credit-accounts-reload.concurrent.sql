-- Accounts whose auto-reload is due. The column changes once per reload, not per spend.
CREATE INDEX CONCURRENTLY IF NOT EXISTS credit_accounts_reload
ON ducat.credit_accounts (reload_due_at) WHERE reload_due_at IS NOT NULL;
