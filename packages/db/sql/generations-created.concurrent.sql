-- Generations by the time they came: for statistics and pages over all accounts, which read a span
-- of time. Rows come in about that order, so a summary per 32 pages is enough: a few kilobytes, and
-- next to nothing for each insert.
CREATE INDEX CONCURRENTLY IF NOT EXISTS generations_created
ON ducat.generations USING brin (created_at) WITH (pages_per_range = 32, autosummarize = on);
