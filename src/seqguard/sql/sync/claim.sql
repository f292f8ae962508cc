-- Takes the lock of a sync's stream for this session, if nobody has it.
-- Parameters: stream, the names of both in one text.
SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended(%(stream)s, 0))
