-- What an account's workers do right now, for those who watch it or one of its generations.
CREATE INDEX CONCURRENTLY IF NOT EXISTS generation_items_running
ON ducat.generation_items (account_id, generation_id) WHERE status = 'processing';
