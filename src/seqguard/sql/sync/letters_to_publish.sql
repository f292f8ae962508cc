-- Letters that are for a person, and that the topic has not been told of, the oldest first.
-- Parameters: sync; limit.
SELECT l.id, l.source, l.key, l.old_key, l.state, l.sqlstate, l.error, l.detail, l.before, l.after,
       l.stream, l."offset", l.at, l.created, l.updated, l.attempts
FROM seqguard_sync.dead_letters AS l
WHERE l.sync = %(sync)s AND l.published IS NULL AND l.state <> 'waiting'
ORDER BY l.id
LIMIT %(limit)s
