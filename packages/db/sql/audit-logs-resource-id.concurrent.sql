-- What was done to one thing, newest first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_logs_resource_id
ON ducat.audit_logs (resource_id, id);
