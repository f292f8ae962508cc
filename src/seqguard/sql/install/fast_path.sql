-- The fast path: guards on columns of a plain integer type, fed one by one, call a function that has the
-- column's name written out; one function serves every such column of that name.
--
-- Its triggers' arguments are the sequence's name, its oid, the oid of the table's owner, whose right to
-- move the sequence is tested for every row, the column's number, and whether it has an index. After a
-- RENAME, and after a dump was restored elsewhere, one of them does not fit any more. Then
-- seqguard.advancing() finds out what to do.
--
-- No expression but pg_typeof() is made with a value that is not a plain integer: the cast of another
-- type may be a function of its owner's, and run as soon as the expression is planned. The arguments
-- are trusted, so that nobody else may attach the function to a table: partitioned tables, whose
-- owners need that right to add partitions, take advance().

-- The value of a column that is furthest beyond value. A statement's first row leads the sequence beyond all
-- its rows at once, for another session could draw the ids of those that follow. Only of a table of
-- this function's owner: planning a query can run functions of the table's owner. And only with a
-- fresh snapshot, which is what tells the owner of now.
CREATE OR REPLACE FUNCTION seqguard.furthest(table_oid regclass, column_name name, value bigint, up boolean)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    furthest bigint;
BEGIN
    IF current_setting('transaction_isolation') = 'read committed'
       AND EXISTS (SELECT FROM pg_class AS t
                   WHERE t.oid = table_oid AND pg_get_userbyid(t.relowner) = current_user) THEN
        EXECUTE format(CASE WHEN up THEN 'SELECT %1$I FROM ONLY %2$s WHERE %1$I > $1 ORDER BY %1$I DESC LIMIT 1'
                            ELSE 'SELECT %1$I FROM ONLY %2$s WHERE %1$I < $1 ORDER BY %1$I LIMIT 1' END,
                       column_name, table_oid)
        INTO furthest USING value;
    END IF;
    RETURN COALESCE(furthest, value);
END
$function$;

CREATE OR REPLACE FUNCTION seqguard.make_fast_path(function name) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $make$
DECLARE
    up constant boolean := starts_with(function, 'advance_up_');
    column_name constant name := substring(function FROM '^advance_(?:up|down)_(.*)$');
    template constant text := $body$
DECLARE
    sequence regclass;
    last bigint;
    target bigint;
BEGIN
    BEGIN
        IF pg_typeof(NEW.%1$I) IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) THEN
            sequence := to_regclass(TG_ARGV[0]);
            last := CASE
                WHEN sequence::oid = TG_ARGV[1]::oid
                     AND has_sequence_privilege(TG_ARGV[2]::oid, sequence, 'UPDATE')
                     AND (pg_identify_object_as_address('pg_class'::regclass, TG_RELID, TG_ARGV[3]::integer)
                         ).object_names[3] = %2$L
                THEN pg_sequence_last_value(sequence) END;
            IF NEW.%1$I %3$s last OR NEW.%1$I IS NULL THEN
                RETURN NULL;
            ELSIF last IS NOT NULL THEN
                target := NEW.%1$I;
                IF TG_ARGV[4]::boolean THEN
                    target := seqguard.furthest(TG_RELID, %2$L, target, %5$L);
                END IF;
                IF abs(target - last) <= %6$s THEN
                    WHILE nextval(sequence) %4$s target LOOP END LOOP;
                    RETURN NULL;
                END IF;
                PERFORM seqguard.advance_to(sequence, target);
            END IF;
        END IF;
    EXCEPTION
        WHEN undefined_column OR undefined_function OR datatype_mismatch OR feature_not_supported
             OR wrong_object_type OR insufficient_privilege OR numeric_value_out_of_range
             OR sequence_generator_limit_exceeded THEN
            last := NULL;
    END;
    EXECUTE seqguard.advancing(TG_RELID, TG_NAME, NULL) USING NEW;
    RETURN NULL;
END
$body$;
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION seqguard.%I() RETURNS trigger LANGUAGE plpgsql VOLATILE SECURITY DEFINER '
        'SET search_path = pg_catalog, pg_temp AS %L',
        function,
        format(template, column_name, column_name, CASE WHEN up THEN '<=' ELSE '>=' END,
               CASE WHEN up THEN '<' ELSE '>' END, up, seqguard.most_steps()));
    EXECUTE format('REVOKE ALL ON FUNCTION seqguard.%I() FROM PUBLIC', function);
    EXECUTE format('ALTER FUNCTION seqguard.%I() OWNER TO %I', function,
                   (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'seqguard'));
END
$make$;

CREATE OR REPLACE FUNCTION seqguard.ensure_fast_path(function name) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF to_regproc(format('seqguard.%I', function)) IS NULL THEN
        PERFORM seqguard.make_fast_path(function);
    END IF;
EXCEPTION
    WHEN unique_violation OR duplicate_function THEN  -- another session was quicker
        RETURN;
END
$function$;

-- Those that are there already, made anew, and the usual one: a dump of a single table finds it.
DO $do$
BEGIN
    PERFORM seqguard.make_fast_path(f.name)
    FROM (SELECT 'advance_up_id'
          UNION
          SELECT p.proname FROM pg_catalog.pg_proc AS p
          WHERE p.pronamespace = 'seqguard'::pg_catalog.regnamespace
            AND p.proname ~ '^advance_(up|down)_') AS f (name);
END
$do$;
