-- Subscriptions by the day they began: for statistics.
CREATE INDEX CONCURRENTLY IF NOT EXISTS subscriptions_started
ON ducat.subscriptions (started_at);
