-- The columns that the unique indexes of a table depend on: keys, expressions, predicates.
-- Parameters: table, its oid.
SELECT DISTINCT a.attname::pg_catalog.text
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid
WHERE i.indrelid = %(table)s::oid AND i.indisunique
  AND (a.attnum = ANY (i.indkey)
       OR EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid
                    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = i.indrelid
                    AND d.refobjsubid = a.attnum))
