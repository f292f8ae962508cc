SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL standard_conforming_strings = on;
SET LOCAL quote_all_identifiers = off;

-- Two installers take turns; one that waits for more than a minute goes on without.
SET LOCAL lock_timeout = '1min';
DO $do$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock(8317985137926545);
EXCEPTION
    WHEN lock_not_available THEN
        RAISE WARNING 'seqguard: somebody else has been installing for a minute: going on';
END
$do$;
SET LOCAL lock_timeout = DEFAULT;
