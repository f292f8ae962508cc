-- Nothing here is for everybody: a trigger fires without EXECUTE on its function.
REVOKE ALL ON SCHEMA seqguard FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA seqguard FROM PUBLIC;
REVOKE ALL ON ALL PROCEDURES IN SCHEMA seqguard FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA seqguard FROM PUBLIC;

-- Nor for those whom ALTER DEFAULT PRIVILEGES gives a part in whatever is made. What runs with the
-- caller's own rights may be granted afterwards, and stays granted while it is not made anew.
DO $do$
DECLARE
    takeback pg_catalog.text;
BEGIN
    FOR takeback IN
        SELECT pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM %I', p.oid::pg_catalog.regprocedure, r.rolname)
        FROM pg_catalog.pg_proc AS p
        CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) AS a
        JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee AND r.oid <> p.proowner
        WHERE p.pronamespace = 'seqguard'::pg_catalog.regnamespace AND p.prosecdef
        UNION
        SELECT pg_catalog.format('REVOKE ALL ON TABLE %s FROM %I', c.oid::pg_catalog.regclass, r.rolname)
        FROM pg_catalog.pg_class AS c
        CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
        JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee AND r.oid <> c.relowner
        WHERE c.relnamespace = 'seqguard'::pg_catalog.regnamespace AND c.relkind = 'r'
        UNION
        SELECT pg_catalog.format('REVOKE CREATE ON SCHEMA seqguard FROM %I', r.rolname)
        FROM pg_catalog.pg_namespace AS n
        CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a
        JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee AND r.oid <> n.nspowner
        WHERE n.nspname = 'seqguard' AND a.privilege_type = 'CREATE'
    LOOP
        EXECUTE takeback;
    END LOOP;
END
$do$;

DO $do$
BEGIN
    PERFORM seqguard.let_partitions_be_made(t.tgrelid)
    FROM pg_catalog.pg_trigger AS t WHERE t.tgparentid = 0 AND seqguard.is_guard_function(t.tgfoid);
END
$do$;
