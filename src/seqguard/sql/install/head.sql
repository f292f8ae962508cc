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

\set ON_ERROR_STOP on

-- The installation is one transaction, settings and lock included: it works, and leaves nothing
-- behind, through a pooler that gives each transaction another server connection.
BEGIN;
