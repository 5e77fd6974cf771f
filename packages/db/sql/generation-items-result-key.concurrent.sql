-- Results that may answer the same request of their account again: those of styles that say so. An
-- item enters it once, when it completes.
CREATE INDEX CONCURRENTLY IF NOT EXISTS generation_items_result_key
ON ducat.generation_items (account_id, result_key)
WHERE result_key IS NOT NULL;
