-- Whether schema seqguard is there, whose it is, and whether an extension or a script made it.
-- Parameters: none. Only its owner, and a superuser where that is one too, may use it: whoever
-- owns it decides what its functions do. The last column names who else has a say in it, having
-- objects in it or the right to create some: calling a function there would be to trust him, too.
SELECT n.oid IS NOT NULL,
       COALESCE(n.nspowner OPERATOR(pg_catalog.=) me.oid OR (me.rolsuper AND owner.rolsuper), true),
       pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text,
       EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname OPERATOR(pg_catalog.=) 'seqguard'),
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
       (SELECT pg_catalog.string_agg(DISTINCT o.name, ', ')
        FROM (SELECT p.proowner AS oid FROM pg_catalog.pg_proc AS p WHERE p.pronamespace OPERATOR(pg_catalog.=) n.oid
              UNION ALL
              SELECT c.relowner FROM pg_catalog.pg_class AS c WHERE c.relnamespace OPERATOR(pg_catalog.=) n.oid
              UNION ALL
              SELECT y.typowner FROM pg_catalog.pg_type AS y WHERE y.typnamespace OPERATOR(pg_catalog.=) n.oid
              UNION ALL
              SELECT a.grantee FROM pg_catalog.aclexplode(n.nspacl) AS a
              WHERE a.privilege_type OPERATOR(pg_catalog.=) 'CREATE') AS other
        LEFT JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) other.oid
        CROSS JOIN LATERAL (SELECT COALESCE(r.rolname::pg_catalog.text, 'PUBLIC')) AS o (name)
        WHERE other.oid OPERATOR(pg_catalog.<>) n.nspowner AND r.rolsuper IS NOT TRUE)
FROM pg_catalog.pg_roles AS me
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname OPERATOR(pg_catalog.=) 'seqguard'
LEFT JOIN pg_catalog.pg_roles AS owner ON owner.oid OPERATOR(pg_catalog.=) n.nspowner
WHERE me.rolname OPERATOR(pg_catalog.=) current_user
