-- Whether this session is the one that publishes the letters of a sync, until the transaction's end.
-- Parameters: sync.
SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('seqguard_sync letters ' || %(sync)s, 0))
