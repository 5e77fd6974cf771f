-- Subscriptions by the day they ended: for statistics.
CREATE INDEX CONCURRENTLY IF NOT EXISTS subscriptions_ended
ON ducat.subscriptions (ended_at) WHERE ended_at IS NOT NULL;
