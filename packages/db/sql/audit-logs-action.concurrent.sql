-- Who has done something, newest first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_logs_action
ON ducat.audit_logs (action, id);
