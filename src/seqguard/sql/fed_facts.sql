-- Some of the columns of sql/fed_columns.sql: what is not asked for is not worked out.
--
-- Parameters: columns, their names; fed_columns, that query.
SELECT {columns} FROM ({fed_columns}) AS f
