-- Draw the values of a sequence up to a last_value. Each draw is atomic and none goes
-- back; a sequence that is already there draws nothing.
--
-- Parameters: sequence; its name as a literal; its increment; target, on its grid.
SELECT pg_catalog.max(pg_catalog.nextval({name}))
FROM {sequence} AS s,
     pg_catalog.generate_series(s.last_value + CASE WHEN s.is_called THEN {increment} ELSE 0 END,
                                {target}::pg_catalog.int8, {increment}::pg_catalog.int8)
