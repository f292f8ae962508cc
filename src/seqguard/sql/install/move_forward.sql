-- Move a sequence forward to a last_value, exactly, while others use it.
--
-- Parameters: moving, the sequence; target, the last_value to reach, on its grid.
-- Raises 55P03 (lock_not_available) when open transactions that have used the
-- sequence do not end within lock_timeout, 42501 for one who does not own it.
--
-- ALTER SEQUENCE ... OWNER TO its own owner changes nothing, but takes a lock that
-- stops nextval and setval. Under it the state is read again, so that nobody can
-- have moved the sequence in between. setval is not undone by a rollback, the lock
-- is released by it: hence the exception that is raised and caught at once.
-- Sessions that cached values (CACHE above 1) drop them only when the sequence is
-- rewritten, which RESTART does; there the lock lasts until the transaction ends.
CREATE OR REPLACE FUNCTION seqguard.move_forward(moving regclass, target bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
AS $function$
DECLARE
    definition pg_catalog.pg_sequence;
    upcoming numeric;
    named constant pg_catalog.text := moving;
BEGIN
    EXECUTE pg_catalog.format('ALTER SEQUENCE %s OWNER TO %I', named,
        (SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class AS c WHERE c.oid = moving));
    IF pg_catalog.to_regclass(named) IS DISTINCT FROM moving THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = named || ' was renamed meanwhile: run again';
    END IF;
    SELECT s.* INTO definition FROM pg_catalog.pg_sequence AS s WHERE s.seqrelid = moving;
    -- not FROM the sequence: by now its schema may have another name, and a view its own
    upcoming := COALESCE(pg_catalog.pg_sequence_last_value(moving) + definition.seqincrement::pg_catalog.numeric,
                         pg_catalog.nextval(moving));
    IF pg_catalog.sign(definition.seqincrement::numeric) * (target - upcoming) >= 0 THEN
        IF definition.seqcache > 1 THEN
            EXECUTE pg_catalog.format('ALTER SEQUENCE %s RESTART WITH %s', moving,
                                      target + definition.seqincrement);
            RETURN;
        END IF;
        PERFORM pg_catalog.setval(moving, target);
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'SQG00', MESSAGE = 'release the lock';
EXCEPTION
    WHEN SQLSTATE 'SQG00' THEN
        RETURN;
END
$function$;
