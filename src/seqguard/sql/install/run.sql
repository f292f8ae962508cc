-- Guard every table of this database, unless it is CREATE EXTENSION that runs this file.
DO $do$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'seqguard') THEN
        CALL seqguard.guard_all();
    END IF;
END
$do$;

SELECT g."table", g."column", g.sequence, COALESCE(g.unguardable, g.state) AS guard
FROM seqguard.guards AS g
ORDER BY g."table", g."column";

DO $do$ BEGIN PERFORM pg_catalog.pg_advisory_unlock(8317985137926545); END $do$;
RESET search_path;
RESET standard_conforming_strings;
RESET quote_all_identifiers;
