-- What guards run. A guard's trigger calls its function only for a row whose id may be
-- ahead of the sequence: the WHEN clause has turned the others away.
--
-- seqguard.advance() serves every guard. It finds its column and its sequence through the
-- dependencies of the WHEN clause, because those follow every RENAME and survive pg_dump. That
-- costs some twenty microseconds. Guards on plain integer columns have a quicker function, from
-- fast_path.sql, which does what advance() does where anything is not as it was when the guard was installed.
--
-- SECURITY DEFINER: inserting into an identity column needs no privilege on its
-- sequence, moving the sequence does. Only the owner may attach them to a table. The owner
-- of a guarded table is not trusted: a query sees the catalogs as of the transaction's
-- snapshot, which in REPEATABLE READ may be older than the table that is inserted into.
-- So the column's name comes from the system cache, no value is cast but an integer or through its
-- type's own output function, and the rights are looked at again before the move.

-- Warns, and stays silent where the client's encoding has no place for a name: that would be an error.
CREATE OR REPLACE FUNCTION seqguard.warn(message text, hint text DEFAULT '') RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE WARNING USING MESSAGE = 'seqguard: ' || message, HINT = hint;
EXCEPTION
    WHEN untranslatable_character OR character_not_in_repertoire THEN
        RETURN;
END
$function$;

-- Every trigger function in this schema is a guard's.
CREATE OR REPLACE FUNCTION seqguard.is_guard_function(function oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT EXISTS (SELECT FROM pg_proc AS p
                   WHERE p.oid = function AND p.prorettype = 'trigger'::regtype
                     AND p.pronamespace = 'seqguard'::regnamespace)
$function$;

-- The guard that a trigger is, or, for its clone on a partition, that it was cloned from:
-- the column's present name, the sequence, and the owner of the table. No row where the
-- snapshot does not show it.
CREATE OR REPLACE FUNCTION seqguard.guarded(
    table_oid oid, trigger_name name, OUT column_name name, OUT sequence_oid oid, OUT table_owner oid)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    guard oid;
    parent oid;
BEGIN
    SELECT t.oid, t.tgparentid INTO guard, parent
    FROM pg_trigger AS t
    WHERE t.tgrelid = table_oid AND t.tgname = trigger_name AND seqguard.is_guard_function(t.tgfoid);
    WHILE parent <> 0 LOOP
        guard := parent;
        SELECT t.tgparentid INTO parent FROM pg_trigger AS t WHERE t.oid = guard;
    END LOOP;
    SELECT (pg_identify_object_as_address(c.refclassid, c.refobjid, c.refobjsubid)).object_names[3],
           t.relowner, s.seqrelid
    INTO column_name, table_owner, sequence_oid
    FROM pg_depend AS c
    JOIN pg_class AS t ON t.oid = c.refobjid
    JOIN pg_depend AS d ON d.classid = c.classid AND d.objid = c.objid AND d.refclassid = c.refclassid
    JOIN pg_sequence AS s ON s.seqrelid = d.refobjid
    WHERE c.classid = 'pg_trigger'::regclass AND c.objid = guard
      AND c.refclassid = 'pg_class'::regclass AND c.refobjsubid > 0
      -- a WHEN clause can name a column of another table, too, in a value of that table's type
      AND c.refobjid = (SELECT t.tgrelid FROM pg_trigger AS t WHERE t.oid = guard);
END
$function$;

-- So far a guard goes with nextval: some 0.2 milliseconds, and 3 kB of WAL.
CREATE OR REPLACE FUNCTION seqguard.most_steps() RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$SELECT 1000$function$;

-- Guards that are about to call setval take turns. A table, because anybody may hold an advisory
-- lock for ever; where somebody holds this one for long, the guard goes on without its turn. Unlogged,
-- because a publication FOR ALL TABLES leaves that out.
DO $do$
BEGIN
    CREATE UNLOGGED TABLE seqguard.turn ();
EXCEPTION
    WHEN duplicate_table THEN
        RETURN;
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

-- A sequence's one step to target, in turn. Nothing is sent to the client meanwhile: one that does not read
-- what it is sent would keep the turn for ever.
CREATE OR REPLACE FUNCTION seqguard.advance_at_once(sequence_oid regclass, increment bigint, target bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = 'error'
AS $function$
BEGIN
    PERFORM seqguard.take_turn();
    PERFORM CASE
        WHEN increment > 0 AND COALESCE(pg_sequence_last_value(sequence_oid) < target, true)
          OR increment < 0 AND COALESCE(pg_sequence_last_value(sequence_oid) > target, true)
        THEN setval(sequence_oid, target) END;
    RAISE EXCEPTION USING ERRCODE = 'SQG00', MESSAGE = 'release the lock';
EXCEPTION
    WHEN SQLSTATE 'SQG00' THEN
        RETURN;
END
$function$;

-- Moves a sequence to the last value of its grid that is not beyond value, never back, and not
-- for a value that would leave none to draw, of the sequence or of the column's type.
--
-- It goes by nextval, which cannot move a sequence backwards. A longer way than most_steps()
-- is one setval, in the same expression as the test that it goes forward; guards
-- take turns at it. nextval by ordinary inserts cannot be made to wait here: see
-- docs/guard.md for what is left of the race.
CREATE OR REPLACE FUNCTION seqguard.advance_to(sequence_oid regclass, value numeric, type_limit numeric) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    start bigint;
    increment bigint;
    minimum bigint;
    maximum bigint;
    cache bigint;
    origin bigint;
    called boolean := true;
    steps numeric;
    target bigint;
    reached bigint;
BEGIN
    SELECT s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache
    INTO start, increment, minimum, maximum, cache
    FROM pg_sequence AS s WHERE s.seqrelid = sequence_oid;
    IF increment > 0 THEN
        maximum := LEAST(maximum, type_limit);
    ELSE
        minimum := GREATEST(minimum, type_limit);
    END IF;
    IF value NOT BETWEEN minimum AND maximum THEN
        RETURN;
    END IF;
    origin := pg_sequence_last_value(sequence_oid);
    IF origin IS NULL THEN
        -- never called: where it stands is read by its oid or not at all, for by its name another
        -- relation might be read; before 18 its first value is drawn
        IF current_setting('server_version_num')::integer >= 180000 THEN
            EXECUTE 'SELECT last_value, is_called FROM pg_get_sequence_data($1)' INTO origin, called USING sequence_oid;
            IF origin IS NULL THEN
                RAISE insufficient_privilege USING MESSAGE = format('permission denied for sequence %s', sequence_oid);
            END IF;
        ELSIF sign(increment::numeric) * (value - start) >= 0 THEN
            origin := nextval(sequence_oid);
        END IF;
    END IF;
    steps := div(value - origin, increment::numeric) + CASE WHEN called THEN 0 ELSE 1 END;
    IF steps IS NULL OR steps <= 0 OR (value - origin) * sign(increment::numeric) < 0 THEN
        RETURN;
    END IF;
    target := origin + (steps - CASE WHEN called THEN 0 ELSE 1 END) * increment;
    IF target::numeric + increment NOT BETWEEN minimum AND maximum THEN
        RETURN;  -- no value would be left: one stray id, rolled back even, would stop every ordinary insert
    END IF;
    IF steps <= seqguard.most_steps() AND cache = 1 THEN
        FOR step IN 1 .. steps LOOP
            reached := nextval(sequence_oid);
            EXIT WHEN CASE WHEN increment > 0 THEN reached >= target ELSE reached <= target END;
        END LOOP;
        RETURN;
    END IF;
    PERFORM seqguard.advance_at_once(sequence_oid, increment, target);
EXCEPTION
    -- out of range: a snapshot that is older than the sequence's limits, or a numeric of 131072 digits
    WHEN sequence_generator_limit_exceeded OR numeric_value_out_of_range THEN
        RETURN;
    WHEN insufficient_privilege THEN
        PERFORM seqguard.warn(format('%s cannot move sequence %s: %s', current_user, sequence_oid, SQLERRM),
                              format('GRANT ALL ON SEQUENCE %s TO %I', sequence_oid, current_user));
END
$function$;

-- The statement that moves a guard's sequence for the row $1, of the guarded table.
CREATE OR REPLACE FUNCTION seqguard.advancing(table_oid oid, trigger_name name, pattern text, type_limit text) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    nothing constant text := 'SELECT';
    guard record := seqguard.guarded(table_oid, trigger_name);
BEGIN
    IF guard.column_name IS NULL THEN
        PERFORM seqguard.warn(format('this transaction is older than guard %s on %s: the sequence stays',
                                     trigger_name, table_oid::regclass));
        RETURN nothing;
    ELSIF NOT has_sequence_privilege(guard.table_owner, guard.sequence_oid, 'UPDATE') THEN
        PERFORM seqguard.warn(format('the owner of table %s may not move sequence %s',
                                     table_oid::regclass, guard.sequence_oid::regclass),
                              format('GRANT UPDATE ON SEQUENCE %s TO %I', guard.sequence_oid::regclass,
                                     pg_get_userbyid(guard.table_owner)));
        RETURN nothing;
    END IF;
    -- fails where the table, or the partition, has no such column: ($1).name would call a function
    PERFORM has_column_privilege(table_oid, guard.column_name, 'INSERT');
    RETURN format('SELECT seqguard.advance_for(%s, %L, %L, format(''%%s'', ($1).%I))',
        guard.sequence_oid, pattern, type_limit, guard.column_name);
EXCEPTION
    WHEN undefined_column THEN
        PERFORM seqguard.warn(format('this transaction is older than guard %s on %s: the sequence stays',
                                     trigger_name, table_oid::regclass));
        RETURN nothing;
END
$function$;

-- Moves a sequence for a value as its type writes it; pattern's group is the numeric part of a text.
CREATE OR REPLACE FUNCTION seqguard.advance_for(sequence_oid oid, pattern text, type_limit text, written text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    number constant text := CASE WHEN pattern IS NULL THEN written ELSE substring(written COLLATE "C" FROM pattern) END;
BEGIN
    IF number COLLATE "C" ~ '^-?[0-9]+([.][0-9]+)?(e[+-][0-9]+)?$' THEN
        PERFORM seqguard.advance_to(sequence_oid, number::numeric, type_limit::numeric);
    END IF;
END
$function$;

CREATE OR REPLACE FUNCTION seqguard.advance() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $function$
BEGIN
    EXECUTE seqguard.advancing(TG_RELID, TG_NAME, NULLIF(TG_ARGV[0], ''), NULLIF(TG_ARGV[1], '')) USING NEW;
    RETURN NULL;
END
$function$;
