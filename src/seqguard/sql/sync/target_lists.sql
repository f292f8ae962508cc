-- The CHECK constraints on single columns of a table, as PostgreSQL prints them. Parameters: oid of the table.
SELECT a.attname::pg_catalog.text, pg_catalog.pg_get_constraintdef(c.oid)
FROM pg_catalog.pg_constraint AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
WHERE c.conrelid = %(oid)s AND c.contype = 'c' AND pg_catalog.cardinality(c.conkey) = 1
ORDER BY a.attnum, c.oid
