-- Whether schema seqguard is there, whose it is, and whether an extension or a script made it.
-- Parameters: none. Only its owner, and a superuser where that is one too, may use it: whoever
-- owns it decides what its functions do.
SELECT n.oid IS NOT NULL,
       COALESCE(n.nspowner OPERATOR(pg_catalog.=) me.oid OR (me.rolsuper AND owner.rolsuper), true),
       pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text,
       EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname OPERATOR(pg_catalog.=) 'seqguard'),
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
FROM pg_catalog.pg_roles AS me
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname OPERATOR(pg_catalog.=) 'seqguard'
LEFT JOIN pg_catalog.pg_roles AS owner ON owner.oid OPERATOR(pg_catalog.=) n.nspowner
WHERE me.rolname OPERATOR(pg_catalog.=) current_user
