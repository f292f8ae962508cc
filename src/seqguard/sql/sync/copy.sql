-- Rows into a table, or rows or keys into a temporary one on their way there.
-- Parameters: table; columns.
COPY {table} ({columns}) FROM STDIN
