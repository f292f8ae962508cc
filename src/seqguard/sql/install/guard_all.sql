-- Guards one table within a short lock timeout and says how it went.
CREATE OR REPLACE FUNCTION seqguard.try_to_guard(table_oid regclass) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
AS $function$
BEGIN
    PERFORM seqguard.guard(table_oid);
    RETURN NULL;
EXCEPTION
    WHEN lock_not_available THEN
        RETURN 'locked';
    WHEN OTHERS THEN
        RETURN SQLERRM;
END
$function$;

-- Guards every table, each in its own transaction so that no lock is held for long,
-- and repairs what is behind. Cannot run inside a transaction block.
-- A procedure that commits takes no SET clause: every name here is qualified.
CREATE OR REPLACE PROCEDURE seqguard.guard_all()
LANGUAGE plpgsql
AS $procedure$
DECLARE
    todo pg_catalog.regclass;
    problem pg_catalog.text;
    repaired record;
BEGIN
    FOR todo IN SELECT g.table_oid FROM seqguard.guards AS g
                WHERE g.unguardable IS NULL AND g.state OPERATOR(pg_catalog.<>) 'installed'
                UNION SELECT s.table_oid FROM seqguard.stale_guards AS s LOOP
        FOR attempt IN 1 .. 3 LOOP
            problem := seqguard.try_to_guard(todo);
            COMMIT;
            EXIT WHEN problem IS NULL OR problem OPERATOR(pg_catalog.<>) 'locked';
        END LOOP;
        IF problem IS NOT NULL THEN
            RAISE WARNING 'seqguard: table % is not guarded: %', todo, problem;
        END IF;
    END LOOP;
    FOR repaired IN SELECT f.* FROM seqguard.fix() AS f LOOP
        IF repaired.problem IS NOT NULL THEN
            RAISE WARNING 'seqguard: sequence % is %: %', repaired.sequence, repaired.status, repaired.problem;
        END IF;
    END LOOP;
END
$procedure$;
