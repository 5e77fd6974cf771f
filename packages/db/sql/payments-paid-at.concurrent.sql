-- Payments by the day they were paid, whoever the provider is: for statistics.
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_paid_at
ON ducat.payments (paid_at) WHERE paid_at IS NOT NULL;
