-- The schema that holds everything seqguard installs, and the lock that lets
-- two installers run at once. {version} ends in a hash of everything installed.
SELECT pg_catalog.pg_advisory_lock(8317985137926545);  -- 'seqguard' as a number
CREATE SCHEMA IF NOT EXISTS seqguard;
COMMENT ON SCHEMA seqguard IS 'seqguard: keeps sequences ahead of the columns that they feed';

CREATE OR REPLACE FUNCTION seqguard.version() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$SELECT '{version}'$function$;
