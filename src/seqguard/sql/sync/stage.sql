-- A temporary table for rows, or keys, on their way into a table: the same columns, none of the constraints.
-- Parameters: stage; columns; table.
CREATE TEMPORARY TABLE {stage} ON COMMIT DELETE ROWS AS SELECT {columns} FROM {table} WITH NO DATA
