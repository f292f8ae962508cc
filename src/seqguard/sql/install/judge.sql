-- The rules. seqguard/rules.py holds the same ones for use without this schema;
-- a property-based test proves the two equal.
--
-- Ascending is written out; descending is its mirror image. All arithmetic is
-- numeric, because next values can lie beyond bigint.
--   type_maximum  largest value of the narrowest fed column, or NULL
--   furthest      value furthest along in any fed column, or NULL for no rows
--   margin        values to leave free beyond the data
-- target is the last_value that repairs the sequence: the last value of its grid
-- before the next one that is beyond all data. It is NULL unless behind.
CREATE OR REPLACE FUNCTION seqguard.judge(
    increment bigint, minimum bigint, maximum bigint, cycle boolean, last_value bigint,
    is_called boolean, type_maximum bigint, furthest numeric, margin bigint,
    OUT next_value numeric, OUT target numeric, OUT status text)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    direction constant numeric := sign(increment::numeric);
    sequence_limit constant numeric := CASE WHEN increment > 0 THEN maximum ELSE minimum END;
    type_limit constant numeric := CASE WHEN increment > 0 THEN type_maximum ELSE -type_maximum - 1 END;
    nearest_limit constant numeric := direction * LEAST(direction * sequence_limit, direction * type_limit);
    upcoming numeric := last_value + CASE WHEN is_called THEN increment::numeric ELSE 0 END;
    steps numeric;
BEGIN
    IF direction * (upcoming - sequence_limit) > 0 AND cycle THEN
        upcoming := CASE WHEN increment > 0 THEN minimum ELSE maximum END;
    END IF;
    IF direction * (upcoming - sequence_limit) <= 0 THEN
        next_value := upcoming;
    END IF;
    steps := div(direction * (furthest - upcoming), abs(increment::numeric)) + 1;
    IF furthest IS NULL OR direction * (furthest - upcoming) < 0 THEN
        status := CASE WHEN direction * (upcoming - nearest_limit) > 0 THEN 'exhausted' ELSE 'ok' END;
    ELSIF cycle AND is_called
          AND direction * (sequence_limit - furthest) <= direction * (furthest - upcoming) THEN
        status := 'unjudged';
    ELSIF direction * (upcoming + steps * increment - nearest_limit) > 0 THEN
        status := 'exhausted';
    ELSE
        status := 'behind';
        margin := LEAST(margin, div(direction * (nearest_limit - upcoming), abs(increment::numeric)) - steps);
        target := upcoming + (steps + margin - 1) * increment;
    END IF;
END
$function$;
