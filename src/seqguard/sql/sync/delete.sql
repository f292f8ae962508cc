-- Let no row with one of the staged keys be there.
-- Parameters: table; gone, the staged keys; matches, the join of target and gone.
DELETE FROM {table} AS target USING {gone} AS gone WHERE {matches}
