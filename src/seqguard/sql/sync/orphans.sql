-- The staged rows, by their lines, that reference a row which is not there.
-- Parameters: stage; line, its column; parent, the table; matches, the join of parent and staged; given, the
-- condition that the reference is not NULL.
SELECT staged.{line} FROM {stage} AS staged
WHERE {given} AND NOT EXISTS (SELECT FROM {parent} AS parent WHERE {matches})
