-- Results that are still kept, oldest first: what retention looks through. An item enters it once,
-- when it completes, and leaves it when its result is removed.
CREATE INDEX CONCURRENTLY IF NOT EXISTS generation_items_kept
ON ducat.generation_items (account_id, completed_at)
WHERE status = 'completed' AND output_removed_at IS NULL;
