-- Draw the values of a sequence up to a last_value. Each draw is atomic and none goes
-- back; a sequence that is already there draws nothing. pg_sequence_last_value reads
-- under the sequence's own lock: SELECT may for an instant see it up to 32 values ahead,
-- while nextval writes its log. Nothing is read FROM the sequence: a view that has taken its
-- name would run functions of its owner's.
--
-- Parameters: the sequence's name as a literal; its increment; first, the value to start from
-- when it has never been used; target, on its grid.
SELECT pg_catalog.max(pg_catalog.nextval({name}))
FROM pg_catalog.generate_series(COALESCE(pg_catalog.pg_sequence_last_value({name}) + {increment}, {first}),
                                {target}::pg_catalog.int8, {increment}::pg_catalog.int8)
