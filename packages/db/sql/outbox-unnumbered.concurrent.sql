-- Events that wait for their number: a few at any time, whatever the outbox keeps.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outbox_unnumbered
ON ducat.outbox (id) WHERE seq IS NULL;
