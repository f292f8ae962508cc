-- check for psql users: SELECT * FROM seqguard.check() WHERE status <> 'ok';
--
-- What one column needs to be read stays locked no longer than that: the exception, raised and
-- caught at once, rolls the locks back. Thousands of tables would fill the lock table.
-- Until the end of the (sub)transaction: a table may have given way to a view of that name, whose
-- functions must not run with the rights of whoever checks. Old minor releases have no such setting.
CREATE OR REPLACE FUNCTION seqguard.refuse_views() RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT set_config('restrict_nonsystem_relation_kind', 'view', true)
    WHERE current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL
$function$;

CREATE OR REPLACE FUNCTION seqguard.read_furthest(
    furthest_query text, increment bigint, is_own boolean, locked_as text, table_oid oid, table_name text,
    OUT value numeric, OUT problem text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
SET row_security = off SET constraint_exclusion = off SET lock_timeout = '1s' SET extra_float_digits = 1
AS $function$
BEGIN
    PERFORM seqguard.refuse_views();
    IF furthest_query IS NOT NULL THEN
        IF NOT is_own THEN
            IF locked_as IS NOT NULL THEN
                EXECUTE format('LOCK TABLE %s IN ACCESS SHARE MODE', locked_as);
            END IF;
            PERFORM seqguard.require_planning(ARRAY[table_oid], ARRAY[table_name]);
        END IF;
        EXECUTE furthest_query INTO value;
        IF value = 'NaN' THEN
            value := NULL;
            RAISE undefined_column USING MESSAGE = 'the column changed while it was read';
        END IF;
        value := CASE WHEN increment > 0 THEN floor(value) ELSE ceil(value) END;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'SQG00', MESSAGE = 'release the lock';
EXCEPTION
    WHEN SQLSTATE 'SQG00' THEN
        RETURN;
    WHEN OTHERS THEN  -- whatever one table has, the others are read all the same
        value := NULL;
        problem := SQLERRM;
END
$function$;

CREATE OR REPLACE FUNCTION seqguard.read_state(
    sequence_oid oid, sequence text, is_own boolean,
    OUT last_value bigint, OUT is_called boolean, OUT problem text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF current_setting('server_version_num')::integer >= 180000 THEN
        EXECUTE 'SELECT last_value, is_called FROM pg_get_sequence_data($1)' INTO last_value, is_called USING sequence_oid::regclass;
        problem := CASE WHEN last_value IS NULL THEN format('permission denied for sequence %s', sequence) END;
    ELSE
        PERFORM seqguard.refuse_views();
        IF NOT is_own THEN
            PERFORM seqguard.require_planning(ARRAY[sequence_oid], ARRAY[sequence]);
        END IF;
        EXECUTE format('SELECT COALESCE(pg_sequence_last_value(%1$L), last_value), is_called FROM %1$s', sequence)
        INTO last_value, is_called;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'SQG00', MESSAGE = 'release the lock';
EXCEPTION
    WHEN SQLSTATE 'SQG00' THEN
        RETURN;
    WHEN OTHERS THEN
        last_value := NULL;
        problem := SQLERRM;
END
$function$;

-- One row for each sequence that feeds a column, or for those given.
CREATE OR REPLACE FUNCTION seqguard.check(sequences regclass[] DEFAULT NULL, margin bigint DEFAULT 0)
RETURNS TABLE (sequence regclass, status text, next_value numeric, furthest numeric,
               target numeric, last_value bigint, is_called boolean, guarded boolean, problem text)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off SET standard_conforming_strings = on
AS $function$
    WITH data AS MATERIALIZED (
        SELECT f.sequence_oid, f.sequence, f.increment, f.minimum, f.maximum, f.cycle,
               min(f.type_maximum) AS type_maximum,
               CASE WHEN f.increment > 0 THEN max(r.value) ELSE min(r.value) END AS furthest,
               bool_and(f.is_own) AS is_own,
               bool_and(f.guard_state IN ('installed', 'outdated')) AS guarded,
               string_agg(f.unjudged, '; ') AS unjudged,
               COALESCE(f.sequence_unreadable,
                        string_agg(COALESCE(f.column_unreadable, r.problem), '; ')) AS unreadable
        FROM seqguard.fed_columns AS f
        CROSS JOIN LATERAL seqguard.read_furthest(
            CASE WHEN f.column_unreadable IS NULL THEN f.furthest_query END, f.increment,
            f.is_own, f.locked_as, f.table_oid, f."table") AS r
        WHERE f.table_oid IS NOT NULL
          AND (sequences IS NULL OR f.sequence_oid = ANY (sequences::oid[]))
        GROUP BY f.sequence_oid, f.sequence, f.increment, f.minimum, f.maximum, f.cycle, f.sequence_unreadable
    ), verdict AS (
        -- The data was read first: a sequence read after it can only be further along.
        SELECT d.*, s.last_value, s.is_called, j.next_value, j.target, COALESCE(d.unreadable, s.problem) AS unread,
               CASE WHEN s.last_value IS NULL THEN 'unreadable'
                    WHEN j.status IN ('behind', 'exhausted') THEN j.status
                    WHEN COALESCE(d.unreadable, s.problem) IS NOT NULL THEN 'unreadable'
                    WHEN d.unjudged IS NOT NULL THEN 'unjudged'
                    ELSE j.status END AS status
        FROM data AS d
        CROSS JOIN LATERAL seqguard.read_state(d.sequence_oid, d.sequence, d.is_own) AS s
        LEFT JOIN LATERAL seqguard.judge(
            d.increment, d.minimum, d.maximum, d.cycle, s.last_value, s.is_called,
            d.type_maximum, d.furthest, margin) AS j ON s.last_value IS NOT NULL
    )
    SELECT v.sequence_oid::regclass, v.status, v.next_value, v.furthest, v.target, v.last_value,
           v.is_called, v.guarded, COALESCE(v.unread, v.unjudged)
    FROM verdict AS v
    ORDER BY v.status = 'ok', v.sequence
$function$;
