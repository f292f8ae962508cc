-- How many letters of a sync there are, by source table and state.
-- Parameters: sync.
SELECT l.source, l.state, pg_catalog.count(*)
FROM seqguard_sync.dead_letters AS l
WHERE l.sync = %(sync)s
GROUP BY l.source, l.state
ORDER BY l.source, l.state
