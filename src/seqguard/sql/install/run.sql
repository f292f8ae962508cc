COMMIT;

-- Guard every table of this database. In one statement, so that a pooler cannot part the lock from
-- its release; two installers take turns here, too.
DO $do$
BEGIN
    BEGIN
        PERFORM pg_catalog.set_config('lock_timeout', '1min', true);
        PERFORM pg_catalog.pg_advisory_lock(8317985137926545);
    EXCEPTION
        WHEN lock_not_available THEN
            RAISE WARNING 'seqguard: somebody else has been installing for a minute: going on';
    END;
    CALL seqguard.guard_all();
    PERFORM pg_catalog.pg_advisory_unlock(8317985137926545);
END
$do$;

BEGIN;
DO $do$ BEGIN PERFORM seqguard.pin(); END $do$;
SELECT g."table", g."column", g.sequence, COALESCE(g.unguardable, g.state) AS guard
FROM seqguard.guards AS g
ORDER BY g."table", g."column";
COMMIT;
