-- Why letters are still there: for each table and error how many, and the first one's id.
-- Parameters: sync; ids, an array.
SELECT l.source, l.state, l.error, pg_catalog.count(*) AS count, pg_catalog.min(l.id) AS first
FROM seqguard_sync.dead_letters AS l
WHERE l.sync = %(sync)s AND l.id = ANY (%(ids)s::int8[])
GROUP BY l.source, l.state, l.error
ORDER BY first
