-- Who has the lock of a sync's stream. No row when nobody has.
-- Parameters: stream, as in claim.sql. Of another role's session only the pid can be seen.
SELECT l.pid, a.usename::pg_catalog.text, a.client_addr::pg_catalog.text, a.backend_start
FROM pg_catalog.pg_locks AS l
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
  AND (l.classid::pg_catalog.int8 << 32 | l.objid::pg_catalog.int8)
      = pg_catalog.hashtextextended(%(stream)s, 0)
