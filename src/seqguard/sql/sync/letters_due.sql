-- Letters whose time to be tried again has come, locked, without those that another worker has locked: those first whose
-- time came first, as the index has them. With together the others that wait, too, as far as the limit goes: they may be
-- what these wait for.
-- Parameters: sync; limit; together.
SELECT l.id, l.source, l.key, l.old_key, l.state, l.sqlstate, l.error, l.detail, l.before::text, l.after::text,
       l.stream, l."offset", l.at, l.next_try <= pg_catalog.now()
FROM seqguard_sync.dead_letters AS l
WHERE l.sync = %(sync)s AND l.state = 'waiting' AND (%(together)s OR l.next_try <= pg_catalog.now())
ORDER BY l.next_try
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
