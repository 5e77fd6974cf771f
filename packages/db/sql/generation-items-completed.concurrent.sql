-- Items by the time they ended: for statistics over all accounts, by a span of time.
CREATE INDEX CONCURRENTLY IF NOT EXISTS generation_items_completed
ON ducat.generation_items USING brin (completed_at) WITH (pages_per_range = 32, autosummarize = on);
