-- Letters, without their rows, the oldest first.
-- Parameters: sync; source, NULL for every table; limit, NULL for all.
SELECT l.id, l.source, l.key, l.state, l.sqlstate, l.error, l.attempts, l.created, l.at
FROM seqguard_sync.dead_letters AS l
WHERE l.sync = %(sync)s AND (%(source)s::text IS NULL OR l.source = %(source)s::text)
ORDER BY l.id
LIMIT %(limit)s
