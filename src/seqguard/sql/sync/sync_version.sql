-- What there is of schema seqguard_sync.
-- Parameters: none.
SELECT pg_catalog.to_regclass('seqguard_sync.version') IS NOT NULL AS is_there,
       pg_catalog.current_database() AS database, current_user AS role
