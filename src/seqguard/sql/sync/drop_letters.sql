-- Forget letters.
-- Parameters: sync; ids, an array.
DELETE FROM seqguard_sync.dead_letters AS l WHERE l.sync = %(sync)s AND l.id = ANY (%(ids)s::int8[])
