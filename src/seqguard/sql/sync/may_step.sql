-- Which of some sequences this role can move, by stepping or because it is their owner.
-- Parameters: sequences, an array of oids.
SELECT c.oid::pg_catalog.int8
FROM pg_catalog.pg_class AS c
WHERE c.oid = ANY (%(sequences)s::oid[])
  AND pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')
  AND (pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
       AND (pg_catalog.has_sequence_privilege(c.oid, 'USAGE') OR pg_catalog.has_sequence_privilege(c.oid, 'UPDATE')))
