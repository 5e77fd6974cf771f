-- Messages that could not be sent, for whoever looks through them: they are few.
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_failed
ON ducat.messages (id) WHERE status = 'failed';
