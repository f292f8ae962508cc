-- Keep tables from becoming something else while they are read, and wait for whoever locks them.
--
-- Parameters: tables: qualified names, some after ONLY. Needs SELECT on them.
LOCK TABLE {tables} IN ACCESS SHARE MODE
