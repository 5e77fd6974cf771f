-- An account's events in the order of their numbers, as those read them who saw the last one.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outbox_numbered
ON ducat.outbox (account_id, seq) WHERE seq > 0;
