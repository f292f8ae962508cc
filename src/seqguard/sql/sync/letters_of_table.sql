-- The letters of a table, locked.
-- Parameters: sync; source.
SELECT l.id, l.source, l.key, l.old_key, l.state, l.sqlstate, l.error, l.detail, l.before::text, l.after::text,
       l.stream, l."offset", l.at
FROM seqguard_sync.dead_letters AS l
WHERE l.sync = %(sync)s AND l.source = %(source)s
ORDER BY l.id
FOR UPDATE
