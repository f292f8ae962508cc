-- The letters of some rows, locked.
-- Parameters: sync; source; keys, an array. A letter of a changed key is found by both.
SELECT l.id, l.source, l.key, l.old_key, l.state, l.sqlstate, l.error, l.detail, l.before::text, l.after::text,
       l.stream, l."offset", l.at
FROM seqguard_sync.dead_letters AS l
WHERE l.sync = %(sync)s AND l.source = %(source)s
  AND (pg_catalog.md5(l.key) = ANY (SELECT pg_catalog.md5(k) FROM pg_catalog.unnest(%(keys)s::text[]) AS k)
       OR pg_catalog.md5(l.old_key) = ANY (SELECT pg_catalog.md5(k) FROM pg_catalog.unnest(%(keys)s::text[]) AS k))
ORDER BY l.id
FOR UPDATE
