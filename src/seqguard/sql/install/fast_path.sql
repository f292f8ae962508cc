-- The fast path: guards on columns of a plain integer type, fed one by one, call a function that has the
-- column's name written out; one function serves every such column of that name.
--
-- Its triggers' arguments are the sequence's name, its oid, the oid of the table's owner, whose right to
-- move the sequence is tested for every row, the column's number, and how far its type reaches. After a RENAME, and after a dump was
-- restored elsewhere, one of them does not fit any more. Then seqguard.advancing() finds out what to do.
--
-- No expression but pg_typeof() is made with a value that is not a plain integer: the cast of another
-- type may be a function of its owner's, and run as soon as the expression is planned. The arguments
-- are trusted, so that nobody else may attach the function to a table: partitioned tables, whose
-- owners need that right to add partitions, take advance().
--
-- The first row of a statement of several leaves word, until the end of the transaction, that all this has been tested: the
-- rows that it has led the sequence beyond are not tested again. A column that is renamed in the same transaction
-- takes the word back, because that is an update of pg_attribute. Who forges it keeps his own rows from being followed.

-- Whether the statement that is being looked at has written no row but this one, as far as the statistics can tell:
-- only one row was inserted since this session's last look. What they hold is kept in a setting; who
-- forges it has the sequence follow his own rows one by one.
CREATE OR REPLACE FUNCTION seqguard.is_alone(table_oid oid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    inserted constant bigint := pg_stat_get_tuples_inserted(table_oid) + pg_stat_get_xact_tuples_inserted(table_oid);
    before constant text := current_setting('seqguard.inserted', true);
    now constant text := set_config('seqguard.inserted', concat(table_oid, ' ', inserted), false);
BEGIN
    RETURN now IS NOT NULL AND before IS NOT DISTINCT FROM concat(table_oid, ' ', inserted - 1);
END
$function$;

-- The value of a column that is furthest beyond value and before the sequence's limit. A statement's first row
-- leads the sequence beyond all its rows at once, for another session could draw the ids of those that
-- follow. Only where an index has it, and only of a table of this function's owner, in a schema of
-- his: planning a query can run functions of the table's owner, and the schema's owner can put
-- another table in its place. And only with a fresh snapshot, which is what tells the owners of now.
CREATE OR REPLACE FUNCTION seqguard.furthest(
    table_oid regclass, column_number integer, column_name name, value bigint, sequence_limit bigint, up boolean)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET constraint_exclusion = off
AS $function$
DECLARE
    furthest bigint;
BEGIN
    IF current_setting('transaction_isolation') = 'read committed' AND EXISTS (
        SELECT FROM pg_class AS t
        JOIN pg_roles AS me ON me.oid = t.relowner AND me.rolname = current_user
        JOIN pg_namespace AS n ON n.oid = t.relnamespace
        JOIN pg_database AS d ON d.datname = current_database()
        JOIN pg_index AS i ON i.indrelid = t.oid AND i.indkey[0] = column_number AND i.indisvalid AND i.indpred IS NULL
        JOIN pg_class AS index ON index.oid = i.indexrelid
        JOIN pg_am AS am ON am.oid = index.relam AND am.amname = 'btree'
        WHERE t.oid = table_oid AND NOT row_security_active(t.oid)
          AND (n.nspowner = me.oid OR d.datdba = me.oid AND pg_get_userbyid(n.nspowner) = 'pg_database_owner')) THEN
        BEGIN
            PERFORM seqguard.require_planning(ARRAY[table_oid]::oid[], ARRAY[table_oid::text]);
        EXCEPTION
            WHEN insufficient_privilege THEN
                RETURN value;
        END;
        EXECUTE format(
            CASE WHEN up THEN 'SELECT %1$I FROM ONLY %2$s WHERE %1$I > $1 AND %1$I < $2 ORDER BY %1$I DESC LIMIT 1'
                 ELSE 'SELECT %1$I FROM ONLY %2$s WHERE %1$I < $1 AND %1$I > $2 ORDER BY %1$I LIMIT 1' END,
            column_name, table_oid)
        INTO furthest USING value, sequence_limit;
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
    sequence_limit bigint;
    target bigint;
    reached bigint;
BEGIN
    BEGIN
        IF pg_typeof(NEW.%1$I) IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) THEN
            IF COALESCE(current_setting('seqguard.led', true), '') <> ''
               AND current_setting('seqguard.led', true) = concat(
                   TG_RELID, %9$L, pg_stat_get_xact_tuples_updated('pg_attribute'::regclass))
               AND NEW.%1$I %3$s pg_sequence_last_value(TG_ARGV[1]::oid) THEN
                RETURN NULL;
            END IF;
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
                sequence_limit := %10$s((pg_sequence_parameters(sequence)).%8$I, NULLIF(TG_ARGV[4], '')::bigint);
                target := NEW.%1$I;
                IF NOT target %4$s sequence_limit THEN
                    RETURN NULL;  -- no value would be left: one stray id would stop every ordinary insert
                ELSIF NOT %7$s THEN
                    IF current_setting('track_counts')::boolean THEN
                        PERFORM set_config('seqguard.led', concat(
                            TG_RELID, %9$L, pg_stat_get_xact_tuples_updated('pg_attribute'::regclass)), true);
                    END IF;
                    target := seqguard.furthest(TG_RELID, TG_ARGV[3]::integer, %2$L, target, sequence_limit, %5$L);
                END IF;
                IF abs(target - last) <= %6$s THEN
                    LOOP  -- ends, too, where the sequence has come to cycle or to go the other way
                        reached := nextval(sequence);
                        EXIT WHEN NOT reached %4$s target OR reached %3$s last;
                    END LOOP;
                    RETURN NULL;
                END IF;
                PERFORM seqguard.advance_to(sequence, target, sequence_limit);
            END IF;
        END IF;
    EXCEPTION
        WHEN undefined_column OR undefined_function OR undefined_table OR invalid_schema_name
             OR ambiguous_function OR datatype_mismatch OR feature_not_supported
             OR wrong_object_type OR insufficient_privilege OR numeric_value_out_of_range
             OR sequence_generator_limit_exceeded OR internal_error THEN
            last := NULL;
    END;
    EXECUTE seqguard.advancing(TG_RELID, TG_NAME, NULL, NULLIF(TG_ARGV[4], '')) USING NEW;
    RETURN NULL;
END
$body$;
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION seqguard.%I() RETURNS trigger LANGUAGE plpgsql VOLATILE SECURITY DEFINER '
        'SET search_path = pg_catalog, pg_temp AS %L',
        function,
        format(template, column_name, column_name, CASE WHEN up THEN '<=' ELSE '>=' END,
               CASE WHEN up THEN '<' ELSE '>' END, up, seqguard.most_steps(),
               -- before 15 the statistics are in a file
               CASE WHEN current_setting('server_version_num')::integer >= 150000
                    THEN '(TG_OP = ''INSERT'' AND seqguard.is_alone(TG_RELID))' ELSE 'false' END,
               CASE WHEN up THEN 'maximum_value' ELSE 'minimum_value' END, format(' %s ', column_name),
               CASE WHEN up THEN 'LEAST' ELSE 'GREATEST' END));
    -- nor for those whom ALTER DEFAULT PRIVILEGES gives a part in it
    EXECUTE format('REVOKE ALL ON FUNCTION seqguard.%I() FROM PUBLIC%s', function, (
        SELECT string_agg(format(', %I', pg_get_userbyid(a.grantee)), '')
        FROM pg_proc AS p
        CROSS JOIN LATERAL aclexplode(p.proacl) AS a
        WHERE p.oid = format('seqguard.%I()', function)::regprocedure AND a.grantee NOT IN (0, p.proowner)));
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
