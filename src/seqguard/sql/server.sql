-- The server at the other end. Parameters: none.
SELECT pg_catalog.current_setting('server_version'),
       pg_catalog.current_database()::pg_catalog.text,
       pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool
