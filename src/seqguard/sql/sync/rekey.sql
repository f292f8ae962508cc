-- Give the row with the staged old key its new key and values, unless a row has the new key already.
-- Parameters: table; stage; gone; assignments; matches, the join of target and gone; taken, that of other and staged.
UPDATE {table} AS target SET {assignments}
FROM {stage} AS staged, {gone} AS gone
WHERE {matches} AND NOT EXISTS (SELECT FROM {table} AS other WHERE {taken})
