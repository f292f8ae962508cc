-- How far a sync has come: a row for each stream.
-- Parameters: sync.
SELECT p.stream, p."offset", p.at, p.changes, p.updated
FROM seqguard_sync.positions AS p
WHERE p.sync = %(sync)s
ORDER BY p.stream
