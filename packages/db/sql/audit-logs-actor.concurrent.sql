-- What somebody has done, newest first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_logs_actor
ON ducat.audit_logs (actor, id);
