-- What there is of schema seqguard_sync.
-- Parameters: none.
--
-- to_regclass() would not do: after waiting for another installer it may still answer from a cache.
SELECT EXISTS (
           SELECT FROM pg_catalog.pg_class AS c
           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
           WHERE n.nspname = 'seqguard_sync' AND c.relname = 'version') AS is_there,
       pg_catalog.current_database() AS database, current_user AS role
