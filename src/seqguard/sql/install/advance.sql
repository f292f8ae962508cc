-- The trigger function of every guard. It is called only for a row whose id may be
-- ahead of its sequence: the trigger's WHEN clause has turned the others away.
--
-- It finds its column and its sequence through the dependencies of that WHEN
-- clause, because those follow every RENAME and survive pg_dump, which names in
-- arguments and oids do not. The only argument, for a text column, is the pattern
-- whose group is the numeric part.
--
-- SECURITY DEFINER: inserting into an identity column needs no privilege on its
-- sequence, moving the sequence does. Only the owner may attach it to a table. The owner
-- of a guarded table is not trusted: a query sees the catalogs as of the transaction's
-- snapshot, which in REPEATABLE READ may be older than the table that is inserted into.
-- So the column's name comes from the system cache, no value is cast but through its
-- type's own output function, and the rights are looked at again before the move.

-- The guard that a trigger is, or, for its clone on a partition, that it was cloned from:
-- the column's present name, the sequence, and the owner of the table. No row where the
-- snapshot does not show it.
CREATE OR REPLACE FUNCTION seqguard.guarded(
    table_oid oid, trigger_name name, OUT column_name name, OUT sequence_oid oid, OUT table_owner oid,
    OUT increment bigint, OUT minimum bigint, OUT maximum bigint, OUT cache bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    guard oid;
    parent oid;
    advance constant oid := 'seqguard.advance'::regproc;
BEGIN
    SELECT t.oid, t.tgparentid INTO guard, parent
    FROM pg_trigger AS t WHERE t.tgrelid = table_oid AND t.tgname = trigger_name AND t.tgfoid = advance;
    WHILE parent <> 0 LOOP
        guard := parent;
        SELECT t.tgparentid INTO parent FROM pg_trigger AS t WHERE t.oid = guard AND t.tgfoid = advance;
    END LOOP;
    SELECT (pg_identify_object_as_address(c.refclassid, c.refobjid, c.refobjsubid)).object_names[3],
           t.relowner, s.seqrelid, s.seqincrement, s.seqmin, s.seqmax, s.seqcache
    INTO column_name, table_owner, sequence_oid, increment, minimum, maximum, cache
    FROM pg_depend AS c
    JOIN pg_class AS t ON t.oid = c.refobjid
    JOIN pg_depend AS d ON d.classid = c.classid AND d.objid = c.objid AND d.refclassid = c.refclassid
    JOIN pg_sequence AS s ON s.seqrelid = d.refobjid
    WHERE c.classid = 'pg_trigger'::regclass AND c.objid = guard
      AND c.refclassid = 'pg_class'::regclass AND c.refobjsubid > 0;
END
$function$;

-- Guards that are about to call setval take turns. A table, because anybody may hold an advisory
-- lock for ever; where somebody holds this one for long, the guard goes on without its turn.
DO $do$
BEGIN
    IF pg_catalog.to_regclass('seqguard.turn') IS NULL THEN
        CREATE TABLE seqguard.turn ();
    END IF;
END
$do$;

CREATE OR REPLACE FUNCTION seqguard.take_turn() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
AS $function$
BEGIN
    LOCK TABLE seqguard.turn IN SHARE ROW EXCLUSIVE MODE;
EXCEPTION
    WHEN lock_not_available THEN
        RETURN;
END
$function$;

-- Moves a sequence to the last value of its grid that is not beyond value, never back.
--
-- A few steps are taken with nextval, which cannot move a sequence backwards. A longer
-- way is one setval, in the same expression as the test that it goes forward; guards
-- take turns at it. nextval by ordinary inserts cannot be made to wait here: see
-- docs/guard.md for what is left of the race.
CREATE OR REPLACE FUNCTION seqguard.advance_to(
    sequence_oid regclass, increment bigint, minimum bigint, maximum bigint, cache bigint, value numeric)
RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    origin bigint;
    called boolean := true;
    steps numeric;
    target bigint;
    reached bigint;
BEGIN
    origin := pg_sequence_last_value(sequence_oid);
    IF origin IS NULL THEN
        EXECUTE format('SELECT last_value, is_called FROM %s', sequence_oid) INTO origin, called;
    END IF;
    steps := div(value - origin, increment::numeric) + CASE WHEN called THEN 0 ELSE 1 END;
    IF steps <= 0 OR (value - origin) * sign(increment::numeric) < 0
       OR value NOT BETWEEN minimum AND maximum THEN
        RETURN;
    END IF;
    target := origin + (steps - CASE WHEN called THEN 0 ELSE 1 END) * increment;
    IF steps <= 32 AND cache = 1 THEN
        FOR step IN 1 .. steps LOOP
            reached := nextval(sequence_oid);
            EXIT WHEN CASE WHEN increment > 0 THEN reached >= target ELSE reached <= target END;
        END LOOP;
        RETURN;
    END IF;
    BEGIN
        PERFORM seqguard.take_turn();
        reached := CASE
            WHEN increment > 0 AND COALESCE(pg_sequence_last_value(sequence_oid) < target, true)
              OR increment < 0 AND COALESCE(pg_sequence_last_value(sequence_oid) > target, true)
            THEN setval(sequence_oid, target) END;
        RAISE EXCEPTION USING ERRCODE = 'SQG00', MESSAGE = 'release the lock';
    EXCEPTION
        WHEN SQLSTATE 'SQG00' THEN
            RETURN;
    END;
EXCEPTION
    WHEN sequence_generator_limit_exceeded THEN
        RETURN;
    WHEN insufficient_privilege THEN
        RAISE WARNING 'seqguard: % cannot move sequence %: %', current_user, sequence_oid, SQLERRM
            USING HINT = format('GRANT ALL ON SEQUENCE %s TO %I', sequence_oid, current_user);
END
$function$;

CREATE OR REPLACE FUNCTION seqguard.advance() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $function$
DECLARE
    guard record := seqguard.guarded(TG_RELID, TG_NAME);
    written text;
BEGIN
    IF guard.column_name IS NULL THEN
        RAISE WARNING 'seqguard: this transaction is older than guard % on %: the sequence stays', TG_NAME, TG_RELID::regclass;
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT format(''%%s'', ($1).%I)', guard.column_name) INTO written USING NEW;
    IF TG_NARGS > 0 THEN
        written := substring(written FROM TG_ARGV[0]);
    END IF;
    IF written IS NULL OR written !~ '^-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?$' THEN
        RETURN NULL;
    END IF;
    IF NOT has_sequence_privilege(guard.table_owner, guard.sequence_oid, 'UPDATE') THEN
        RAISE WARNING 'seqguard: the owner of table % may not move sequence %', TG_RELID::regclass, guard.sequence_oid::regclass
            USING HINT = format('GRANT UPDATE ON SEQUENCE %s TO %I', guard.sequence_oid::regclass,
                                pg_get_userbyid(guard.table_owner));
        RETURN NULL;
    END IF;
    PERFORM seqguard.advance_to(guard.sequence_oid, guard.increment, guard.minimum, guard.maximum,
                                guard.cache, written::numeric);
    RETURN NULL;
END
$function$;
