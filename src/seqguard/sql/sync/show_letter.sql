-- Everything about one letter.
-- Parameters: sync; id.
SELECT l.id, l.source, l.key, l.old_key, l.state, l.sqlstate, l.error, l.detail, l.before, l.after,
       l.stream, l."offset", l.at, l.created, l.updated, l.attempts, l.next_try
FROM seqguard_sync.dead_letters AS l
WHERE l.sync = %(sync)s AND l.id = %(id)s
