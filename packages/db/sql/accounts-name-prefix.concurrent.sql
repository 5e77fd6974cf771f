-- How a name begins, whatever its case: for support's search.
CREATE INDEX CONCURRENTLY IF NOT EXISTS accounts_name_prefix
ON ducat.accounts (lower(name) text_pattern_ops) WHERE name IS NOT NULL;
