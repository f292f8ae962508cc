-- seqguard {version}: keeps sequences ahead of the columns that they feed.
--
--     psql -d mydb -f auto-sync-sequences.sql
--
-- Installs schema seqguard, guards every table whose column a sequence feeds, and
-- moves forward what is behind. Safe to run again. Each table is locked against
-- writes for an instant, for at most a second of waiting, and in a transaction of
-- its own: do not run it with psql --single-transaction.
--
-- Afterwards:
--     SELECT * FROM seqguard.check() WHERE status <> 'ok';   what is behind, and why
--     SELECT * FROM seqguard.fix();                          move it forward
--     SELECT * FROM seqguard.guards;                         the guard on each column
--     SELECT seqguard.guard('public.users');                 guard one table
--     SELECT seqguard.unguard('public.users');               remove its guards
--     DROP SCHEMA seqguard CASCADE;                          remove everything

SET search_path = pg_catalog, pg_temp;
SET standard_conforming_strings = on;
SET quote_all_identifiers = off;

-- Two installers take turns; one that waits for more than a minute goes on without.
SET lock_timeout = '1min';
DO $do$ BEGIN PERFORM pg_catalog.pg_advisory_lock(8317985137926545); END $do$;
RESET lock_timeout;
