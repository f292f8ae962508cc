-- Whether any constraint of some tables, or any that points at them, can be deferred.
-- Parameters: tables, an array of oids.
SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint AS c
               WHERE c.condeferrable AND (c.conrelid = ANY (%(tables)s::oid[]) OR c.confrelid = ANY (%(tables)s::oid[])))
