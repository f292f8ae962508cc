-- The staged rows, by their lines, of which a condition holds.
-- Parameters: stage; line, its column; condition.
SELECT {line} FROM {stage} WHERE {condition}
