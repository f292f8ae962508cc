-- Move streams on, each from the offset where this worker left it: a compare-and-set.
--
-- Parameters: sync; arrays streams, expected (NULL for none yet), offsets, times and counts.
-- Returns the streams that were moved: another worker has those that are missing.
WITH asked AS (
    SELECT a.*
    FROM ROWS FROM (
        pg_catalog.unnest(%(streams)s::text[]), pg_catalog.unnest(%(expected)s::text[]),
        pg_catalog.unnest(%(offsets)s::text[]), pg_catalog.unnest(%(times)s::timestamptz[]),
        pg_catalog.unnest(%(counts)s::int8[])) AS a (stream, expected, reached, at, changes)
), moved AS (
    UPDATE seqguard_sync.positions AS p
    SET "offset" = a.reached::pg_catalog.jsonb, at = COALESCE(a.at, p.at),
        changes = p.changes + a.changes, updated = pg_catalog.clock_timestamp()
    FROM asked AS a
    WHERE p.sync = %(sync)s AND p.stream = a.stream AND p."offset" = a.expected::pg_catalog.jsonb
    RETURNING p.stream
), added AS (
    INSERT INTO seqguard_sync.positions (sync, stream, "offset", at, changes)
    SELECT %(sync)s, a.stream, a.reached::pg_catalog.jsonb, a.at, a.changes
    FROM asked AS a
    WHERE a.expected IS NULL
    ON CONFLICT DO NOTHING
    RETURNING stream
)
SELECT stream FROM moved UNION ALL SELECT stream FROM added
