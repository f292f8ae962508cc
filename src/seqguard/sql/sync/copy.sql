-- Rows, or keys, on their way into a table.
-- Parameters: stage; columns.
COPY {stage} ({columns}) FROM STDIN
