-- A generation's items in the order in which they ended. An item enters it once, at its end.
CREATE INDEX CONCURRENTLY IF NOT EXISTS generation_items_ended
ON ducat.generation_items (account_id, generation_id, ended_no) WHERE ended_no IS NOT NULL;
