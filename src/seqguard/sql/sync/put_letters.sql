-- Store letters: those with an id in their place, the others as new ones. Returns source and state of each.
--
-- Parameters: sync; patience, for how many seconds a letter waits;
-- arrays ids, sources, keys, old_keys, states, sqlstates, errors, details, befores, afters, streams, offsets, times.
--
-- The pause before the next try doubles from half a second to a minute, and varies by a fifth.
WITH given AS (
    SELECT a.*
    FROM ROWS FROM (
        pg_catalog.unnest(%(ids)s::int8[]), pg_catalog.unnest(%(sources)s::text[]),
        pg_catalog.unnest(%(keys)s::text[]), pg_catalog.unnest(%(old_keys)s::text[]),
        pg_catalog.unnest(%(states)s::text[]), pg_catalog.unnest(%(sqlstates)s::text[]),
        pg_catalog.unnest(%(errors)s::text[]), pg_catalog.unnest(%(details)s::text[]),
        pg_catalog.unnest(%(befores)s::text[]), pg_catalog.unnest(%(afters)s::text[]),
        pg_catalog.unnest(%(streams)s::text[]), pg_catalog.unnest(%(offsets)s::text[]),
        pg_catalog.unnest(%(times)s::timestamptz[])) WITH ORDINALITY
        AS a (id, source, key, old_key, state, sqlstate, error, detail, before, after, stream, reached, at, place)
), old AS (
    SELECT l.id, l.created, l.attempts
    FROM seqguard_sync.dead_letters AS l
    WHERE l.sync = %(sync)s AND l.id IN (SELECT g.id FROM given AS g)
), judged AS (
    SELECT g.*, COALESCE(o.attempts, 0) + 1 AS attempts,
           CASE WHEN g.state <> 'waiting' THEN g.state
                WHEN o.created < pg_catalog.now() - pg_catalog.make_interval(secs => %(patience)s) THEN 'dead'
                ELSE 'waiting' END AS judged_state,
           pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs =>
               LEAST(60, 0.5 * 2 ^ LEAST(COALESCE(o.attempts, 0), 10)) * (0.8 + 0.4 * pg_catalog.random())) AS next_try
    FROM given AS g
    LEFT JOIN old AS o ON o.id = g.id
), kept AS (
    UPDATE seqguard_sync.dead_letters AS l
    SET state = j.judged_state, sqlstate = j.sqlstate, error = j.error, detail = j.detail, old_key = j.old_key,
        attempts = j.attempts, next_try = j.next_try, updated = pg_catalog.clock_timestamp(),
        published = CASE WHEN l.state = j.judged_state AND l.error = j.error THEN l.published END
    FROM judged AS j
    WHERE l.id = j.id
    RETURNING l.source, l.state
), added AS (
    INSERT INTO seqguard_sync.dead_letters (
        sync, source, key, old_key, state, sqlstate, error, detail, before, after, stream, "offset", at, next_try)
    SELECT %(sync)s, j.source, j.key, j.old_key, j.judged_state, j.sqlstate, j.error, j.detail, j.before::json,
           j.after::json, j.stream, j.reached::pg_catalog.jsonb, j.at, j.next_try
    FROM judged AS j
    WHERE j.id IS NULL
    ORDER BY j.place
    RETURNING source, state
)
SELECT source, state FROM kept UNION ALL SELECT source, state FROM added
