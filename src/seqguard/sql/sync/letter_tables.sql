-- Which source tables have letters.
-- Parameters: sync; sources, an array.
SELECT s.source
FROM pg_catalog.unnest(%(sources)s::text[]) AS s (source)
WHERE EXISTS (SELECT FROM seqguard_sync.dead_letters AS l WHERE l.sync = %(sync)s AND l.source = s.source)
