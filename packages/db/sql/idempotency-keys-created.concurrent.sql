-- First answers, the oldest first: what is forgotten after 30 days. A row enters it at its right
-- edge and its column never changes.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idempotency_keys_created
ON ducat.idempotency_keys (created_at);
