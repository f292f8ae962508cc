-- Guards one column within a short lock timeout and says why it could not.
CREATE OR REPLACE FUNCTION seqguard.try_to_guard(g seqguard.guards) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
AS $function$
BEGIN
    PERFORM seqguard.install_guard(g.table_oid, g.column_name, g.sequence_oid, g.increment,
                                   g.number_pattern, g.guard_name, g.guard_shape,
                                   g.guard_function, g.guard_arguments);
    RETURN NULL;
EXCEPTION
    WHEN lock_not_available THEN
        RETURN 'locked';
    WHEN OTHERS THEN
        RETURN SQLERRM;
END
$function$;

CREATE OR REPLACE FUNCTION seqguard.try_to_drop_guard(table_oid regclass, guard_name name) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
AS $function$
BEGIN
    PERFORM seqguard.drop_guard(table_oid, guard_name);
EXCEPTION
    WHEN OTHERS THEN
        PERFORM seqguard.warn(format('trigger %s on %s is of no more use but stays: %s', guard_name, table_oid, SQLERRM));
END
$function$;

-- What the statements of guard_all() depend on, until the end of the transaction.
CREATE OR REPLACE FUNCTION seqguard.pin() RETURNS void
LANGUAGE sql VOLATILE
AS $function$
    SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
           pg_catalog.set_config('standard_conforming_strings', 'on', true),
           pg_catalog.set_config('quote_all_identifiers', 'off', true)
$function$;

-- Guards every table, each column in its own transaction so that no lock is held for long,
-- and repairs what is behind. Cannot run inside a transaction block.
-- A procedure that commits takes no SET clause, hence pin(), again after each COMMIT, and qualified names.
CREATE OR REPLACE PROCEDURE seqguard.guard_all()
LANGUAGE plpgsql
AS $procedure$
DECLARE
    todo seqguard.guards;
    problem pg_catalog.text;
    repaired record;
BEGIN
    PERFORM seqguard.pin();
    PERFORM seqguard.try_to_drop_guard(s.table_oid, s.guard_name) FROM seqguard.stale_guards AS s;
    COMMIT;
    PERFORM seqguard.pin();
    FOR todo IN SELECT g.* FROM seqguard.guards AS g
                WHERE g.unguardable IS NULL AND g.state OPERATOR(pg_catalog.<>) 'installed' LOOP
        FOR attempt IN 1 .. 3 LOOP
            problem := seqguard.try_to_guard(todo);
            COMMIT;
            PERFORM seqguard.pin();
            EXIT WHEN problem IS NULL OR problem OPERATOR(pg_catalog.<>) 'locked';
        END LOOP;
        IF problem IS NOT NULL THEN
            RAISE WARNING 'seqguard: table % is not guarded: %', todo."table", problem;
        END IF;
    END LOOP;
    FOR repaired IN SELECT f.* FROM seqguard.fix() AS f LOOP
        IF repaired.problem IS NOT NULL THEN
            RAISE WARNING 'seqguard: sequence % is %: %', repaired.sequence, repaired.status, repaired.problem;
        END IF;
    END LOOP;
END
$procedure$;
