-- The columns of a unique index, NULL for an expression; no row when the table has no such index.
-- Parameters: table, its oid; index, its name.
SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY p.place)
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
CROSS JOIN pg_catalog.generate_series(0, i.indnkeyatts - 1) AS p (place)
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[p.place]
WHERE i.indrelid = %(table)s::oid AND c.relname = %(index)s
GROUP BY i.indexrelid
