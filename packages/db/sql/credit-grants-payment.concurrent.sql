-- The grants of a payment: a reversal takes from each of them.
CREATE INDEX CONCURRENTLY IF NOT EXISTS credit_grants_payment
ON ducat.credit_grants (account_id, payment_id) WHERE payment_id IS NOT NULL;
