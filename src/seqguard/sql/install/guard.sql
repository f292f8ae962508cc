-- Installing, listing and removing guards.

-- The WHEN clause of a guard: true for a row whose value may be ahead of the sequence.
-- It runs with the rights of whoever inserts. Without USAGE or SELECT on the sequence
-- pg_sequence_last_value raises before 18 and returns NULL from 18 on; NULL is also its
-- answer for a sequence that was never used. NULL makes the clause true.
CREATE OR REPLACE FUNCTION seqguard.guard_condition(
    column_name name, sequence regclass, increment bigint, pattern text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT format('(%s %s %s) IS NOT TRUE',
        CASE WHEN pattern IS NULL THEN format('NEW.%I', column_name)
             ELSE format('substring(NEW.%I::text COLLATE pg_catalog."C", %L)::numeric', column_name, pattern) END,
        CASE WHEN increment > 0 THEN '<=' ELSE '>=' END,
        format(CASE WHEN current_setting('server_version_num')::integer >= 180000
                    THEN 'pg_sequence_last_value(%1$L::regclass)'
                    ELSE 'CASE WHEN has_sequence_privilege(%1$L::regclass, ''USAGE, SELECT'') '
                         'THEN pg_sequence_last_value(%1$L::regclass) END' END,
               sequence::text))
$function$;

-- Every guard that there is or could be. state is installed, outdated, disabled, missing,
-- or unguardable, and then unguardable says why.
CREATE OR REPLACE VIEW seqguard.guards AS
SELECT f."table", f."column", f.sequence, f.guard_state AS state, f.unguardable, f.guard_name, f.guard_shape,
       f.guard_function, f.guard_arguments,
       f.table_oid, f.table_schema, f.table_name, f.column_name, f.sequence_oid, f.increment, f.number_pattern
FROM seqguard.fed_columns AS f
WHERE f.table_oid IS NOT NULL;

-- Guards whose column is no longer fed by their sequence, or takes no guard any more.
CREATE OR REPLACE VIEW seqguard.stale_guards AS
SELECT t.tgrelid AS table_oid, t.tgname AS guard_name
FROM pg_catalog.pg_trigger AS t
WHERE seqguard.is_guard_function(t.tgfoid) AND t.tgparentid = 0
  AND NOT EXISTS (SELECT FROM seqguard.guards AS g
                  WHERE g.table_oid = t.tgrelid AND g.guard_name = t.tgname
                    AND g.state <> 'missing' AND g.unguardable IS NULL);

-- Refuses what would let the guard do more than the owner of the table could do.
CREATE OR REPLACE FUNCTION seqguard.require_rights(table_oid regclass, sequence_oid regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    table_owner constant name := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = table_oid);
    advance_owner constant name := (SELECT pg_get_userbyid(proowner) FROM pg_proc
                                    WHERE oid = 'seqguard.advance'::regproc);
BEGIN
    IF NOT has_sequence_privilege(table_owner, sequence_oid, 'UPDATE') THEN
        RAISE insufficient_privilege USING MESSAGE = format(
            'the owner of table %s, %I, may not move sequence %s', table_oid, table_owner, sequence_oid),
            HINT = format('GRANT UPDATE ON SEQUENCE %s TO %I', sequence_oid, table_owner);
    END IF;
    IF NOT (has_sequence_privilege(advance_owner, sequence_oid, 'UPDATE')
            AND has_sequence_privilege(advance_owner, sequence_oid, 'SELECT')) THEN
        RAISE insufficient_privilege USING MESSAGE = format(
            'the owner of schema seqguard, %I, may not move sequence %s', advance_owner, sequence_oid),
            HINT = format('GRANT ALL ON SEQUENCE %s TO %I', sequence_oid, advance_owner);
    END IF;
END
$function$;

-- A partition gets its parent's triggers, and who makes one needs EXECUTE on their functions, the table's
-- owner of today or of tomorrow. So where partitioned tables are guarded, advance() is everybody's to attach: nobody
-- can name it without USAGE on the schema, and it moves only what the owner of its table may move.
CREATE OR REPLACE FUNCTION seqguard.let_partitions_be_made(table_oid regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- two grants at once fail, and an open transaction would stop all others
    IF EXISTS (SELECT FROM pg_class AS t WHERE t.oid = table_oid AND t.relkind = 'p')
       AND NOT has_function_privilege('public', 'seqguard.advance()'::regprocedure, 'EXECUTE') THEN
        GRANT EXECUTE ON FUNCTION seqguard.advance() TO PUBLIC;
    END IF;
END
$function$;

-- Refuses a column that is no longer of a type that the guard is for. Under the table's lock it stays so.
CREATE OR REPLACE FUNCTION seqguard.require_type(table_oid regclass, column_name name, guard_function name)
RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    integers constant regtype[] := ARRAY['smallint', 'integer', 'bigint']::regtype[];
    others constant regtype[] := ARRAY['numeric', 'real', 'double precision', 'text', 'varchar', 'bpchar']::regtype[];
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute AS a
        JOIN pg_type AS y ON y.oid = a.atttypid
        WHERE a.attrelid = table_oid AND a.attname = column_name
          AND CASE WHEN guard_function <> 'advance' THEN y.oid = ANY (integers)
                   ELSE CASE y.typtype WHEN 'd' THEN y.typbasetype ELSE y.oid END = ANY (integers || others) END) THEN
        RAISE datatype_mismatch USING MESSAGE = format(
            'column %I of table %s was changed meanwhile: run again', column_name, table_oid);
    END IF;
END
$function$;

-- Refuses a guard that is not where it should be. A table's lock does not keep its schema from being
-- renamed: then the names in a statement mean another table, or another sequence.
CREATE OR REPLACE FUNCTION seqguard.require_guard(
    table_oid regclass, column_name name, sequence_oid regclass, guard_name name, guard_shape text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    guarded constant record := seqguard.guarded(table_oid, guard_name);
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger AS t
        WHERE t.tgrelid = table_oid AND t.tgname = guard_name AND t.tgenabled = 'A'
          AND obj_description(t.oid, 'pg_trigger') = guard_shape
          AND guarded.column_name = require_guard.column_name
          AND guarded.sequence_oid = require_guard.sequence_oid) THEN
        RAISE undefined_table USING MESSAGE = format(
            'the schema of table %s or of sequence %s was renamed meanwhile: run again', table_oid, sequence_oid);
    END IF;
END
$function$;

-- Locks a table, its partitions too. Until the end of the transaction its name means no other
-- table: the lock on the schema's row, for which it takes a superuser, stops those who rename the schema.
CREATE OR REPLACE FUNCTION seqguard.lock_table(table_oid regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    found_as record;
BEGIN
    IF has_table_privilege('pg_namespace', 'UPDATE') THEN
        PERFORM FROM pg_namespace AS n
        WHERE n.oid = (SELECT t.relnamespace FROM pg_class AS t WHERE t.oid = table_oid) FOR KEY SHARE;
    END IF;
    SELECT n.nspname, t.relname, t.relkind INTO found_as
    FROM pg_class AS t JOIN pg_namespace AS n ON n.oid = t.relnamespace WHERE t.oid = table_oid;
    IF found_as.relkind = 'p' THEN
        EXECUTE format('LOCK TABLE %I.%I IN SHARE ROW EXCLUSIVE MODE', found_as.nspname, found_as.relname);
    ELSE
        EXECUTE format('LOCK TABLE ONLY %I.%I IN SHARE ROW EXCLUSIVE MODE', found_as.nspname, found_as.relname);
    END IF;
    IF to_regclass(format('%I.%I', found_as.nspname, found_as.relname)) IS DISTINCT FROM table_oid THEN
        RAISE undefined_table USING MESSAGE = format(
            '%I.%I was renamed meanwhile: run again', found_as.nspname, found_as.relname);
    END IF;
END
$function$;

-- Refuses a partitioned table with somebody else's function in its key, or in a partition's: making a trigger would
-- run it. Looked at again under the lock, and not with an old snapshot, which does not show the latest partition.
CREATE OR REPLACE FUNCTION seqguard.require_key(table_oid regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    called regprocedure;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE feature_not_supported USING
            MESSAGE = format('table %s is partitioned: it takes a guard in READ COMMITTED only', table_oid);
    END IF;
    SELECT p.oid INTO called
    FROM pg_partition_tree(table_oid) AS tree
    JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = tree.relid
    LEFT JOIN pg_operator AS q ON d.refclassid = 'pg_operator'::regclass AND q.oid = d.refobjid
    JOIN pg_proc AS p ON p.oid = CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid ELSE q.oprcode END
    JOIN pg_roles AS o ON o.oid = p.proowner AND NOT o.rolsuper AND o.rolname <> current_user
    LIMIT 1;
    IF FOUND THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('the partition key of table %s, or of a partition, calls function %s', table_oid, called),
            HINT = format('trust it, and run guard as %I', (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = table_oid));
    END IF;
END
$function$;

-- Installs the guard on one column as the view guards describes it, or puts it in the place of
-- an outdated or disabled one. Under a lock: two at once take turns.
CREATE OR REPLACE FUNCTION seqguard.install_guard(
    table_oid regclass, column_name name, sequence_oid regclass, increment bigint,
    number_pattern text, guard_name name, guard_shape text, guard_function name, guard_arguments text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    ours boolean;
BEGIN
    PERFORM seqguard.lock_table(table_oid);
    IF (SELECT t.relkind = 'p' FROM pg_class AS t WHERE t.oid = table_oid) THEN
        PERFORM seqguard.require_key(table_oid);
    END IF;
    PERFORM seqguard.require_type(table_oid, column_name, guard_function);
    PERFORM seqguard.require_rights(table_oid, sequence_oid);
    SELECT seqguard.is_guard_function(t.tgfoid) INTO ours
    FROM pg_trigger AS t WHERE t.tgrelid = table_oid AND t.tgname = guard_name;
    IF ours THEN
        PERFORM seqguard.drop_guard(table_oid, guard_name);
    ELSIF FOUND THEN
        RAISE duplicate_object USING MESSAGE = format(
            'table %s already has a trigger %I that is not seqguard''s', table_oid, guard_name),
            HINT = format('DROP TRIGGER %I ON %s', guard_name, table_oid);
    END IF;
    IF guard_function <> 'advance' THEN
        PERFORM seqguard.ensure_fast_path(guard_function);
    END IF;
    PERFORM seqguard.let_partitions_be_made(table_oid);
    EXECUTE format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OF %I ON %s FOR EACH ROW WHEN (%s) '
                   'EXECUTE FUNCTION seqguard.%I(%s)',
        guard_name, column_name, table_oid,
        seqguard.guard_condition(column_name, sequence_oid, increment, number_pattern),
        guard_function, guard_arguments);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', table_oid, guard_name);
    EXECUTE format('COMMENT ON TRIGGER %I ON %s IS %L', guard_name, table_oid, guard_shape);
    PERFORM seqguard.require_guard(table_oid, column_name, sequence_oid, guard_name, guard_shape);
END
$function$;

-- Guards the fed columns of a table, or one of them; drops what is stale on it.
-- Returns the columns newly guarded. Run seqguard.fix() after it has been committed.
CREATE OR REPLACE FUNCTION seqguard.guard(table_oid regclass, column_name name DEFAULT NULL)
RETURNS SETOF seqguard.guards
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off SET standard_conforming_strings = on
AS $function$
DECLARE
    g seqguard.guards;
BEGIN
    PERFORM seqguard.drop_guard(s.table_oid, s.guard_name)
    FROM seqguard.stale_guards AS s WHERE s.table_oid = guard.table_oid;
    FOR g IN SELECT c.* FROM seqguard.guards AS c
             WHERE c.table_oid = guard.table_oid AND c.unguardable IS NULL AND c.state <> 'installed'
               AND (guard.column_name IS NULL OR c.column_name = guard.column_name) LOOP
        PERFORM seqguard.install_guard(g.table_oid, g.column_name, g.sequence_oid, g.increment,
                                       g.number_pattern, g.guard_name, g.guard_shape,
                                       g.guard_function, g.guard_arguments);
        RETURN NEXT g;
    END LOOP;
END
$function$;

CREATE OR REPLACE FUNCTION seqguard.drop_guard(table_oid regclass, guard_name name) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    EXECUTE format('DROP TRIGGER %I ON %s', guard_name, table_oid);
END
$function$;

-- Removes the guards of a table. Returns their names.
CREATE OR REPLACE FUNCTION seqguard.unguard(table_oid regclass) RETURNS SETOF name
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    guard name;
BEGIN
    FOR guard IN SELECT t.tgname FROM pg_trigger AS t
                 WHERE t.tgrelid = table_oid AND seqguard.is_guard_function(t.tgfoid)
                   AND t.tgparentid = 0 LOOP
        PERFORM seqguard.drop_guard(table_oid, guard);
        RETURN NEXT guard;
    END LOOP;
END
$function$;
