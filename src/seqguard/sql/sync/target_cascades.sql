-- What the foreign keys of some tables do by themselves: both tables, the columns here and there, on delete, on update.
-- Parameters: tables, an array of oids. Actions are as pg_constraint has them: c is CASCADE, n SET NULL.
SELECT f.conrelid::pg_catalog.int8, f.confrelid::pg_catalog.int8, c.here, c.there,
       f.confdeltype::pg_catalog.text, f.confupdtype::pg_catalog.text
FROM pg_catalog.pg_constraint AS f
CROSS JOIN LATERAL (
    SELECT pg_catalog.array_agg(h.attname::pg_catalog.text ORDER BY k.place) AS here,
           pg_catalog.array_agg(t.attname::pg_catalog.text ORDER BY k.place) AS there
    FROM pg_catalog.generate_subscripts(f.conkey, 1) AS k (place)
    JOIN pg_catalog.pg_attribute AS h ON h.attrelid = f.conrelid AND h.attnum = f.conkey[k.place]
    JOIN pg_catalog.pg_attribute AS t ON t.attrelid = f.confrelid AND t.attnum = f.confkey[k.place]) AS c
WHERE f.contype = 'f' AND f.conrelid = ANY (%(tables)s::pg_catalog.oid[])
