-- The topic has been told of these letters, unless they have changed meanwhile.
-- Parameters: sync; arrays ids, updated.
UPDATE seqguard_sync.dead_letters AS l
SET published = pg_catalog.clock_timestamp()
FROM ROWS FROM (pg_catalog.unnest(%(ids)s::int8[]), pg_catalog.unnest(%(updated)s::timestamptz[])) AS a (id, updated)
WHERE l.sync = %(sync)s AND l.id = a.id AND l.updated = a.updated
