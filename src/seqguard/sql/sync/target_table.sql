-- What a relation is, its unique keys, and the tables that it references.
--
-- Parameters: schema and table, names without quotes. No row when there is none. Needs no privilege
-- beyond reading the catalogs.
--
-- unique_keys: the indexes that ON CONFLICT can infer by plain column names: valid, immediate, not partial,
-- without expressions. parents: the tables that foreign keys point at; the copies that PostgreSQL makes of
-- such a key for the partitions of its parent are left out. lacking: privileges that writing needs.
SELECT
    c.oid::pg_catalog.int8,
    c.relkind::pg_catalog.text,
    (SELECT COALESCE(pg_catalog.jsonb_agg(k.columns ORDER BY k.is_primary DESC, k.oid ASC), '[]')
     FROM (
         SELECT i.indexrelid AS oid, i.indisprimary AS is_primary, pg_catalog.jsonb_agg(a.attname) AS columns
         FROM pg_catalog.pg_index AS i
         CROSS JOIN pg_catalog.generate_series(0, i.indnkeyatts - 1) AS p (place)
         JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[p.place]
         WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
           AND i.indpred IS NULL AND i.indexprs IS NULL
         GROUP BY i.indexrelid, i.indisprimary) AS k) AS unique_keys,
    (SELECT COALESCE(pg_catalog.jsonb_agg(DISTINCT
                pg_catalog.jsonb_build_array(r.oid::pg_catalog.int8, rn.nspname, r.relname)), '[]')
     FROM pg_catalog.pg_constraint AS f
     JOIN pg_catalog.pg_class AS r ON r.oid = f.confrelid AND r.oid <> c.oid
     JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
     WHERE f.conrelid = c.oid AND f.contype = 'f'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS original
                       WHERE original.oid = f.conparentid AND original.conrelid = f.conrelid)) AS parents,
    ARRAY(SELECT w.privilege
          FROM pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS w (privilege)
          WHERE NOT pg_catalog.has_table_privilege(c.oid, w.privilege)) AS lacking
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
