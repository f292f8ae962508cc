-- The key of a row that has some values.
-- Parameters: table; key; condition.
SELECT {key} FROM {table} AS target WHERE {condition} LIMIT 1
