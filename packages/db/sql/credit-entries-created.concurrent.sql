-- Ledger lines by the time they were written: for statistics over all accounts, by a span of time.
CREATE INDEX CONCURRENTLY IF NOT EXISTS credit_entries_created
ON ducat.credit_entries USING brin (created_at) WITH (pages_per_range = 32, autosummarize = on);
