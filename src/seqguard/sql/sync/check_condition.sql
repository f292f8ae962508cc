-- The expression of a CHECK constraint, unless a trigger may change rows before they come to it.
-- Parameters: table, its oid; name, of the constraint. The triggers of partitions count, too.
SELECT pg_catalog.pg_get_expr(c.conbin, c.conrelid)
FROM pg_catalog.pg_constraint AS c
WHERE c.conrelid = %(table)s::oid AND c.conname = %(name)s AND c.contype = 'c'
  AND NOT EXISTS (
      SELECT
      FROM pg_catalog.pg_trigger AS t
      WHERE t.tgtype & 3 = 3  -- BEFORE, FOR EACH ROW
        AND (t.tgrelid = c.conrelid OR t.tgrelid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree(c.conrelid) AS p)))
