-- What a subscription has given: for the balance of its period, and for what rolls over.
CREATE INDEX CONCURRENTLY IF NOT EXISTS credit_grants_subscription
ON ducat.credit_grants (account_id, subscription_id, starts_at) WHERE subscription_id IS NOT NULL;
