-- About how many rows the tables of a MySQL database hold, as its statistics say.
-- Parameters: the database.
SELECT TABLE_NAME, coalesce(TABLE_ROWS, 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s
