-- The schema that holds everything seqguard installs. {version} ends in a hash of it all.
-- An older version goes first, because CREATE OR REPLACE cannot change what a view or a
-- function returns. The functions that guards run stay: inserts go on meanwhile.
DO $do$
DECLARE
    old pg_catalog.text;
BEGIN
    IF pg_catalog.to_regnamespace('seqguard') IS NULL THEN
        CREATE SCHEMA seqguard;
    ELSIF NOT EXISTS (
        SELECT FROM pg_catalog.pg_namespace AS n
        JOIN pg_catalog.pg_roles AS owner ON owner.oid = n.nspowner
        JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
        WHERE n.nspname = 'seqguard' AND (owner.oid = me.oid OR (owner.rolsuper AND me.rolsuper))) THEN
        -- an exception would not stop psql from running the rest with functions of a stranger
        RAISE WARNING 'schema seqguard belongs to another role: run this as that role';
        PERFORM pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid());
    ELSIF EXISTS (
        SELECT FROM pg_catalog.pg_namespace AS n
        CROSS JOIN LATERAL (
            SELECT p.proowner AS oid FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = n.oid
            UNION ALL
            SELECT c.relowner FROM pg_catalog.pg_class AS c WHERE c.relnamespace = n.oid
            UNION ALL
            SELECT y.typowner FROM pg_catalog.pg_type AS y WHERE y.typnamespace = n.oid
            UNION ALL
            SELECT a.grantee FROM pg_catalog.aclexplode(n.nspacl) AS a WHERE a.privilege_type = 'CREATE') AS other
        LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = other.oid
        WHERE n.nspname = 'seqguard' AND other.oid <> n.nspowner AND r.rolsuper IS NOT TRUE) THEN
        RAISE WARNING 'others have objects in schema seqguard, or may create some: take them out first';
        PERFORM pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid());
    ELSIF pg_catalog.to_regprocedure('seqguard.version()') IS NOT NULL THEN
        EXECUTE 'SELECT seqguard.version()' INTO old;
        IF old <> '{version}' THEN
            FOR old IN SELECT pg_catalog.format('DROP ROUTINE %s', p.oid::pg_catalog.regprocedure)
                       FROM pg_catalog.pg_proc AS p
                       WHERE p.pronamespace = 'seqguard'::pg_catalog.regnamespace
                         AND p.proname NOT LIKE 'advanc%'
                         AND p.proname NOT IN ('guarded', 'is_guard_function', 'is_alone', 'furthest', 'most_steps', 'take_turn', 'warn',
                                               'require_planning',
                                               'follow_ddl') LOOP
                EXECUTE old;
            END LOOP;
            DROP VIEW IF EXISTS seqguard.stale_guards, seqguard.guards, seqguard.fed_columns;
        END IF;
    END IF;
END
$do$;

COMMENT ON SCHEMA seqguard IS 'seqguard: keeps sequences ahead of the columns that they feed';

CREATE OR REPLACE FUNCTION seqguard.version() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$SELECT '{version}'$function$;
