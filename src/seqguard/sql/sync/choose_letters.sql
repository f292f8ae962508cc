-- The ids of some letters, with the names of the columns that their rows have.
-- Parameters: sync; ids, NULL for every one; source, NULL for every table.
SELECT l.id, l.source,
       ARRAY(SELECT k FROM pg_catalog.json_object_keys(COALESCE(l.after, l.before, '{{}}')) AS k)
FROM seqguard_sync.dead_letters AS l
WHERE l.sync = %(sync)s AND (%(ids)s::int8[] IS NULL OR l.id = ANY (%(ids)s::int8[]))
  AND (%(source)s::text IS NULL OR l.source = %(source)s::text)
ORDER BY l.id
