-- The table that bench/stress.py writes to, and its sessions as procedures: each runs for a
-- while, commits after every operation, and returns what it did as JSON. Parameters: none.
--
-- A session takes the locks of its INSERT before it notes the time, so that waiting for a guard
-- that is being installed, or for fix, is not part of the statement. Every explicit id that was written is
-- logged with the times just before and just after its statement, every ordinary insert that
-- failed with the time just before its statement and with the kind of row that it met. From
-- these the failures are judged afterwards.

CREATE TABLE t (id bigserial PRIMARY KEY, kind text NOT NULL, key integer UNIQUE);

CREATE SCHEMA stress;
CREATE SEQUENCE stress.allocator INCREMENT 1000000 START 1000000 NO MAXVALUE;
CREATE UNLOGGED TABLE stress.explicit (low bigint, high bigint, started timestamptz, done timestamptz);
CREATE UNLOGGED TABLE stress.failed (kind text, id bigint, started timestamptz, holder text);

-- The first of `count` explicit ids in a row. ahead = 'far': from an allocator of their own, so far
-- apart that no ordinary insert gets there by itself. 'near': 50 to 200 beyond the sequence. 'odd':
-- the same, but odd, where the sequence gives even values only.
CREATE FUNCTION stress.explicit_id(ahead text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    near bigint;
BEGIN
    IF ahead = 'far' THEN
        RETURN nextval('stress.allocator');
    END IF;
    near := COALESCE(pg_sequence_last_value('t_id_seq'), 0) + 50 + floor(random() * 151);
    RETURN CASE WHEN ahead = 'odd' THEN near | 1 ELSE near END;
END
$$;

-- Ids low, low + step ... of one statement.
CREATE FUNCTION stress.ids(ahead text, low bigint, count integer) RETURNS SETOF bigint LANGUAGE sql AS $$
    SELECT low + n * CASE WHEN ahead = 'odd' THEN 2 ELSE 1 END FROM generate_series(0, count - 1) AS n
$$;

-- One ordinary operation. Returns the id that was drawn, where there is just one.
CREATE FUNCTION stress.ordinary_once(op text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    drawn bigint;
BEGIN
    CASE op
        WHEN 'multi' THEN
            INSERT INTO t (kind) SELECT op FROM generate_series(1, 10);
        WHEN 'upsert' THEN
            INSERT INTO t (kind, key) VALUES (op, random() * 100000)
            ON CONFLICT (key) DO UPDATE SET kind = EXCLUDED.kind;
        WHEN 'savepoint' THEN
            BEGIN
                INSERT INTO t (kind) VALUES (op);
                RAISE SQLSTATE 'SQG99';
            EXCEPTION WHEN SQLSTATE 'SQG99' THEN
                INSERT INTO t (kind) VALUES (op) RETURNING id INTO drawn;
            END;
        ELSE
            INSERT INTO t (kind) VALUES (op) RETURNING id INTO drawn;
    END CASE;
    IF op = 'open' THEN
        PERFORM pg_sleep(0.01 + random() * 0.05);
    ELSIF op = 'delete' THEN
        DELETE FROM t WHERE id = drawn;
    END IF;
    RETURN drawn;
END
$$;

-- One operation with explicit ids, and its log.
CREATE FUNCTION stress.explicit_once(op text, ahead text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    started constant timestamptz := clock_timestamp();
    count constant integer := CASE op WHEN 'x-multi' THEN 10 ELSE 1 END;
    low constant bigint := stress.explicit_id(ahead);
BEGIN
    CASE op
        WHEN 'x-multi' THEN
            INSERT INTO t (id, kind) SELECT i, op FROM stress.ids(ahead, low, count) AS i;
        WHEN 'x-upsert' THEN
            INSERT INTO t (id, kind) VALUES (low, op) ON CONFLICT (id) DO UPDATE SET key = EXCLUDED.key;
            INSERT INTO t (id, kind) VALUES (low, op) ON CONFLICT (id) DO UPDATE SET key = EXCLUDED.key;
        WHEN 'x-savepoint' THEN
            BEGIN
                INSERT INTO t (id, kind) VALUES (low, op);
                RAISE SQLSTATE 'SQG99';
            EXCEPTION WHEN SQLSTATE 'SQG99' THEN
                INSERT INTO t (id, kind) VALUES (low, op);
            END;
        ELSE
            INSERT INTO t (id, kind) VALUES (low, op);
    END CASE;
    INSERT INTO stress.explicit
    VALUES (low, (SELECT max(i) FROM stress.ids(ahead, low, count) AS i), started, clock_timestamp());
    IF op = 'x-open' THEN
        PERFORM pg_sleep(0.01 + random() * 0.05);
    END IF;
END
$$;

CREATE FUNCTION stress.counted(counts jsonb, what text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT counts || jsonb_build_object(what, COALESCE((counts ->> what)::bigint, 0) + 1)
$$;

-- Ordinary inserts for some seconds. result: {"done": {op: times}, "errors": {SQLSTATE: times},
-- "back": times that an id drawn was not beyond the last one that this session had drawn}.
CREATE PROCEDURE stress.ordinary(seconds float, INOUT result jsonb) LANGUAGE plpgsql AS $$
DECLARE
    ops constant text[] := '{single,multi,rollback,savepoint,open,upsert,delete}';
    bounds constant float[] := '{0,0.80,0.86,0.90,0.94,0.942,0.98}';
    finish constant timestamptz := clock_timestamp() + seconds * interval '1 second';
    done bigint[] := array_fill(0, ARRAY[7]);
    errors jsonb := '{}';
    back bigint := 0;
    last bigint := 0;
    started timestamptz := clock_timestamp();
    op integer;
    drawn bigint;
    undo boolean;
    detail text;
    violated text;
BEGIN
    WHILE started < finish LOOP
        op := width_bucket(random(), bounds);
        undo := ops[op] = 'rollback';
        LOCK TABLE t IN ROW EXCLUSIVE MODE;
        PERFORM pg_sequence_last_value('t_id_seq');
        started := clock_timestamp();
        BEGIN
            drawn := stress.ordinary_once(ops[op]);
            back := back + COALESCE(drawn <= last, false)::integer;
            last := COALESCE(drawn, last);
            done[op] := done[op] + 1;
        EXCEPTION
            WHEN unique_violation THEN
                GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, violated = CONSTRAINT_NAME;
                drawn := CASE WHEN violated = 't_pkey' THEN substring(detail FROM '\((\d+)\) already')::bigint END;
                INSERT INTO stress.failed
                VALUES (ops[op], drawn, started, (SELECT kind FROM t WHERE id = drawn));
                errors := stress.counted(errors, SQLSTATE);
                undo := false;
            WHEN OTHERS THEN
                errors := stress.counted(errors, SQLSTATE);
        END;
        IF undo THEN ROLLBACK; ELSE COMMIT; END IF;
    END LOOP;
    result := jsonb_build_object('done', jsonb_object(ops, done::text[]), 'errors', errors, 'back', back);
END
$$;

-- Inserts with explicit ids for some seconds. result: the same without "back".
CREATE PROCEDURE stress.explicit(ahead text, seconds float, INOUT result jsonb) LANGUAGE plpgsql AS $$
DECLARE
    ops constant text[] := '{x-single,x-multi,x-rollback,x-savepoint,x-open,x-upsert}';
    bounds constant float[] := '{0,0.70,0.80,0.85,0.90,0.91}';
    finish constant timestamptz := clock_timestamp() + seconds * interval '1 second';
    done bigint[] := array_fill(0, ARRAY[6]);
    errors jsonb := '{}';
    op integer;
    how constant text := ahead;  -- PostgreSQL 13 frees an argument at COMMIT
BEGIN
    WHILE clock_timestamp() < finish LOOP
        op := width_bucket(random(), bounds);
        LOCK TABLE t IN ROW EXCLUSIVE MODE;
        BEGIN
            PERFORM stress.explicit_once(ops[op], how);
            done[op] := done[op] + 1;
        EXCEPTION
            WHEN OTHERS THEN
                errors := stress.counted(errors, SQLSTATE);
        END;
        IF ops[op] = 'x-rollback' THEN ROLLBACK; ELSE COMMIT; END IF;
    END LOOP;
    result := jsonb_build_object('done', jsonb_object(ops, done::text[]), 'errors', errors);
END
$$;

-- Looks at the sequence for some seconds, in bursts. result: {"seen": last value, "samples": looks,
-- "back": times that it was lower than at the look before}; comes in with "seen" of the last call.
--
-- Not SELECT last_value: that reads without a lock, and nextval writes a value 32 further on for an
-- instant while it logs it. Each burst is a transaction, because looking locks out ALTER SEQUENCE.
CREATE PROCEDURE stress.watch(seconds float, INOUT result jsonb) LANGUAGE plpgsql AS $$
DECLARE
    finish constant timestamptz := clock_timestamp() + seconds * interval '1 second';
    seen bigint := COALESCE((result ->> 'seen')::bigint, 0);
    looked bigint;
    samples bigint := 0;
    back bigint := 0;
BEGIN
    WHILE clock_timestamp() < finish LOOP
        FOR i IN 1 .. 200 LOOP
            looked := COALESCE(pg_sequence_last_value('t_id_seq'), 0);
            back := back + (looked < seen)::integer;
            seen := looked;
        END LOOP;
        samples := samples + 200;
        COMMIT;
        PERFORM pg_sleep(0.001);
    END LOOP;
    result := jsonb_build_object('seen', seen, 'samples', samples, 'back', back);
END
$$;

-- Why ordinary inserts failed, by the row that they met:
-- before   an explicit row whose statement began after the ordinary one of a single row: both sides
--          came by the id, whatever the guard does
-- during   an explicit row whose statement had not ended yet
-- after    an explicit row whose statement had ended: the sequence was behind it
-- twice    an ordinary row: the sequence gave its id twice
-- unknown  it is gone
CREATE VIEW stress.judged AS
SELECT f.*, CASE
    WHEN f.holder NOT LIKE 'x-%' THEN 'twice'
    WHEN x.done IS NULL THEN 'unknown'
    WHEN f.started < x.started AND f.kind NOT IN ('multi', 'copy', 'plain') THEN 'before'
    WHEN f.started <= x.done THEN 'during'
    ELSE 'after' END AS class
FROM stress.failed AS f
LEFT JOIN LATERAL (
    SELECT e.started, e.done FROM stress.explicit AS e
    WHERE e.low BETWEEN f.id - 500 AND f.id AND f.id <= e.high ORDER BY e.done DESC LIMIT 1) AS x ON true;
