-- What a truncate of the source does: delete the rows that are the source's, told by the mapping's constants.
-- Parameters: table; condition.
DELETE FROM {table} AS target WHERE {condition}
