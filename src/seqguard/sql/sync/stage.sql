-- A temporary table for rows, or keys, on their way into a table: the same columns, none of the constraints.
-- Parameters: stage; columns; table; line, a column more, for the search of what fails.
CREATE TEMPORARY TABLE {stage} ON COMMIT DELETE ROWS AS
SELECT {columns}, NULL::pg_catalog.int4 AS {line} FROM {table} WITH NO DATA
