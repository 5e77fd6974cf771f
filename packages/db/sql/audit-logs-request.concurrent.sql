-- What one request has done.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_logs_request
ON ducat.audit_logs (request_id, id);
