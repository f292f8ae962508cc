-- Refuse what would run somebody else's function with the rights of whoever reads.
--
-- Parameters: relations and names, what is about to be read, each by its oid and by the name that the query has for
-- it. Raises 42501 (insufficient_privilege), or 42P01 (undefined_table) where a name means another relation by now.
--
-- Planning a query works out what is constant in the index expressions, extended statistics and partition keys of its
-- tables. Whoever owns a table can add some at any moment, also while the query waits for a lock. So locks come
-- first, then this, then the query: all that is left in between is the time from one statement to the next.
CREATE OR REPLACE FUNCTION seqguard.require_planning(relations oid[], names text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    named pg_catalog.text;
    tables pg_catalog.oid[];
    objects pg_catalog.oid[];
    used pg_catalog.oid[];
    called pg_catalog.regprocedure;
BEGIN
    -- a sequence that has been looked at by its oid keeps its name
    PERFORM pg_catalog.pg_sequence_last_value(q.seqrelid)
    FROM pg_catalog.pg_sequence AS q WHERE q.seqrelid = ANY (relations);
    SELECT r.name INTO named
    FROM ROWS FROM (pg_catalog.unnest(relations), pg_catalog.unnest(names)) AS r (oid, name)
    WHERE pg_catalog.to_regclass(r.name) IS DISTINCT FROM r.oid
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = named || ' was renamed meanwhile: run again';
    END IF;
    -- step by step, so that each looks its rows up by an index, whatever the planner is allowed to do
    tables := relations || ARRAY(
        SELECT t.relid::pg_catalog.oid
        FROM pg_catalog.pg_class AS c
        CROSS JOIN LATERAL pg_catalog.pg_partition_tree(c.oid) AS t
        WHERE c.oid = ANY (relations) AND c.relkind = 'p');
    objects := tables
        || ARRAY(SELECT i.indexrelid FROM pg_catalog.pg_index AS i WHERE i.indrelid = ANY (tables))
        || ARRAY(SELECT e.oid FROM pg_catalog.pg_statistic_ext AS e WHERE e.stxrelid = ANY (tables));
    used := ARRAY(
        SELECT d.refobjid FROM pg_catalog.pg_depend AS d
        WHERE d.classid IN ('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass)
          AND d.objid = ANY (objects)
          AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass));
    SELECT p.oid INTO called
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_roles AS w ON w.oid = p.proowner AND NOT w.rolsuper AND w.rolname <> current_user
    WHERE p.oid = ANY (used || ARRAY(SELECT q.oprcode::pg_catalog.oid FROM pg_catalog.pg_operator AS q WHERE q.oid = ANY (used)))
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = pg_catalog.format('planning a query may run function %s', called),
            HINT = 'trust it, and run this as the owner of the table';
    END IF;
END
$function$;
