-- Whether schema seqguard is there, whose it is, and whether an extension or a script made it.
-- Parameters: none.
SELECT n.oid IS NOT NULL,
       COALESCE(pg_catalog.pg_has_role(n.nspowner, 'USAGE'), true),
       pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text,
       EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname OPERATOR(pg_catalog.=) 'seqguard'),
       pg_catalog.has_database_privilege(current_database(), 'CREATE')
FROM (SELECT) AS one
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname OPERATOR(pg_catalog.=) 'seqguard'
