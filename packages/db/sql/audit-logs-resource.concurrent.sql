-- What was done to things of a kind, newest first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_logs_resource
ON ducat.audit_logs (resource, id);
