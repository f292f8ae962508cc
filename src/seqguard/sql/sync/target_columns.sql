-- The columns of a table in their order.
--
-- Parameters: oid of the table. Needs no privilege beyond reading the catalogs.
--
-- A domain is shown as the type below it. type_name is qualified unless it is PostgreSQL's own, because
-- search_path is pinned. fed: a sequence feeds the column (1574 is nextval).
SELECT
    a.attname::pg_catalog.text AS name,
    pg_catalog.format_type(b.type_oid, b.modifier) AS type_name,
    NOT a.attnotnull AND NOT b.is_not_null AS nullable,
    NOT a.attnotnull AND NOT b.is_not_null OR a.atthasdef OR a.attidentity <> '' OR b.has_default AS filled,
    a.attidentity = 'a' AS always,
    a.attgenerated <> '' AS computed,
    ARRAY(SELECT e.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum AS e
          WHERE e.enumtypid = b.type_oid ORDER BY e.enumsortorder) AS labels,
    a.attidentity <> '' OR EXISTS (
        SELECT FROM pg_catalog.pg_attrdef AS d
        WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum
          AND d.adbin::pg_catalog.text LIKE '%%:funcid 1574 %%') AS fed
FROM pg_catalog.pg_attribute AS a
CROSS JOIN LATERAL (
    WITH RECURSIVE layer AS (
        SELECT 0 AS depth, a.atttypid AS type_oid, a.atttypmod AS modifier
        UNION ALL
        SELECT layer.depth + 1, t.typbasetype, t.typtypmod
        FROM layer
        JOIN pg_catalog.pg_type AS t ON t.oid = layer.type_oid AND t.typtype = 'd'
    )
    SELECT (pg_catalog.array_agg(layer.type_oid ORDER BY layer.depth DESC))[1] AS type_oid,
           (pg_catalog.array_agg(layer.modifier ORDER BY layer.depth DESC))[1] AS modifier,
           pg_catalog.bool_or(t.typtype = 'd' AND t.typnotnull) AS is_not_null,
           pg_catalog.bool_or(t.typtype = 'd' AND t.typdefault IS NOT NULL) AS has_default
    FROM layer
    JOIN pg_catalog.pg_type AS t ON t.oid = layer.type_oid) AS b
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
