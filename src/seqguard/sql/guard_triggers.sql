-- Every guard that is there, whatever has become of its column. Parameters: none.
-- Calls nothing in schema seqguard, which may belong to somebody else.
SELECT n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS table,
       t.tgname::pg_catalog.text AS name,
       pg_catalog.format('%I.%I', n.nspname, c.relname) AS qualified_table
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.pronamespace AND pn.nspname = 'seqguard'
WHERE t.tgparentid = 0
ORDER BY n.nspname, c.relname, t.tgname
