-- The tables of a foreign key, by their oids: the referencing one, the referenced one.
-- Parameters: schema and table, the referencing one's; name.
SELECT f.conrelid::pg_catalog.int8, f.confrelid::pg_catalog.int8
FROM pg_catalog.pg_constraint AS f
JOIN pg_catalog.pg_class AS c ON c.oid = f.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE f.contype = 'f' AND n.nspname = %(schema)s AND c.relname = %(table)s AND f.conname = %(name)s
