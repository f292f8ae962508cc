-- The columns of the unique indexes of a MySQL database's tables: of whole columns, none of which may be NULL.
-- Parameters: the database.
SELECT s.TABLE_NAME, s.INDEX_NAME, s.COLUMN_NAME
FROM information_schema.STATISTICS AS s
JOIN (SELECT TABLE_NAME, INDEX_NAME
      FROM information_schema.STATISTICS
      WHERE TABLE_SCHEMA = %s
      GROUP BY TABLE_NAME, INDEX_NAME
      HAVING max(NON_UNIQUE) = 0 AND sum(COLUMN_NAME IS NULL OR SUB_PART IS NOT NULL OR NULLABLE = 'YES') = 0) AS u
  ON u.TABLE_NAME = s.TABLE_NAME AND u.INDEX_NAME = s.INDEX_NAME
WHERE s.TABLE_SCHEMA = %s
