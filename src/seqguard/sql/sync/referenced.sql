-- Which of some tables foreign keys point at.
-- Parameters: tables, an array of oids.
SELECT DISTINCT f.confrelid::pg_catalog.int8
FROM pg_catalog.pg_constraint AS f
WHERE f.contype = 'f' AND f.confrelid = ANY (%(tables)s::pg_catalog.oid[])
