-- The foreign keys of a table to other tables: the other table, the columns here and there, whether it is deferrable.
-- Parameters: table, its oid. The copies that PostgreSQL makes for the partitions of a parent are left out.
SELECT n.nspname::pg_catalog.text, p.relname::pg_catalog.text, c.here, c.there, f.condeferrable
FROM pg_catalog.pg_constraint AS f
JOIN pg_catalog.pg_class AS p ON p.oid = f.confrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.relnamespace
CROSS JOIN LATERAL (
    SELECT pg_catalog.array_agg(h.attname::pg_catalog.text ORDER BY k.place) AS here,
           pg_catalog.array_agg(t.attname::pg_catalog.text ORDER BY k.place) AS there
    FROM ROWS FROM (pg_catalog.unnest(f.conkey), pg_catalog.unnest(f.confkey)) WITH ORDINALITY
         AS k (here, there, place)
    JOIN pg_catalog.pg_attribute AS h ON h.attrelid = f.conrelid AND h.attnum = k.here
    JOIN pg_catalog.pg_attribute AS t ON t.attrelid = f.confrelid AND t.attnum = k.there) AS c
WHERE f.conrelid = %(table)s::oid AND f.contype = 'f' AND f.confrelid <> f.conrelid
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS original
                  WHERE original.oid = f.conparentid AND original.conrelid = f.conrelid)
