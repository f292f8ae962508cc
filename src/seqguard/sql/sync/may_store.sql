-- What this role lacks to keep positions and dead letters in the target: statements that give it, none when it may.
--
-- Parameters: none. Needs no privilege beyond reading the catalogs.
--
-- is_there: schema seqguard_sync has been made, so that positions can be read if nothing is lacking.
SELECT
    EXISTS (SELECT FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = 'seqguard_sync' AND c.relname = 'version') AS is_there,
    ARRAY(
        SELECT pg_catalog.format('GRANT CREATE ON DATABASE %I TO %I', pg_catalog.current_database(), current_user)
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'seqguard_sync')
          AND NOT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
        UNION ALL
        SELECT pg_catalog.format('GRANT USAGE ON SCHEMA seqguard_sync TO %I', current_user)
        FROM pg_catalog.pg_namespace AS n
        WHERE n.nspname = 'seqguard_sync' AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        UNION ALL
        SELECT DISTINCT pg_catalog.format(
            'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA seqguard_sync TO %I', current_user)
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        CROSS JOIN pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS w (privilege)
        WHERE n.nspname = 'seqguard_sync' AND c.relkind = 'r'
          AND (w.privilege = 'SELECT' OR c.relname = 'dead_letters' OR c.relname = 'positions' AND w.privilege <> 'DELETE')
          AND NOT pg_catalog.has_table_privilege(c.oid, w.privilege)) AS grants
