-- Payments by their receipt's number: what customers read to support.
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_receipt
ON ducat.payments (receipt_ref) WHERE receipt_ref IS NOT NULL;
