-- fix for psql users: SELECT * FROM seqguard.fix();
CREATE OR REPLACE FUNCTION seqguard.try_to_move_forward(
    moving regclass, target bigint, OUT problem text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM seqguard.move_forward(moving, target);
EXCEPTION
    WHEN lock_not_available THEN
        problem := 'in use by open transactions: run again when they have ended';
    WHEN insufficient_privilege OR undefined_table OR undefined_object
         OR object_not_in_prerequisite_state OR deadlock_detected THEN
        problem := SQLERRM;
END
$function$;

-- One row for each sequence that was behind, or that could not be judged:
-- where it stands now, and why it was left where that is not ok.
CREATE OR REPLACE FUNCTION seqguard.fix(sequences regclass[] DEFAULT NULL, margin bigint DEFAULT 0)
RETURNS TABLE (sequence regclass, status text, next_value numeric, problem text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    verdict record;
    attention regclass[] := ARRAY[]::regclass[];
    problems jsonb := jsonb_build_object();
BEGIN
    IF margin < 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'margin must not be negative';
    END IF;
    FOR verdict IN SELECT c.* FROM seqguard.check(sequences, margin) AS c WHERE c.status <> 'ok' LOOP
        attention := attention || verdict.sequence;
        IF verdict.status = 'behind' THEN
            problems := problems || jsonb_build_object(verdict.sequence::oid::text,
                seqguard.try_to_move_forward(verdict.sequence, verdict.target::bigint));
        END IF;
    END LOOP;
    RETURN QUERY
        SELECT c.sequence, c.status, c.next_value, COALESCE(problems ->> c.sequence::oid::text, c.problem)
        FROM seqguard.check(attention) AS c;
END
$function$;
